/**
 * The relative errors that encoding measures as a by-product, by section: from `encodeRecords` to `planPrecision`. A plan asks for the
 * worst head of a section; with one number for a whole section a single head with outliers would hide behind the others.
 */
import { InfernodeError } from '../domain/error-codes.js';
import type { KvEncodedRecords } from '../native/kv-quantizer.js';
import type { KvSide } from './precision-plan.js';

export interface SectionErrorsOptions {
  layers: number;
  heads: number;
}

export class SectionErrors {
  readonly #options: SectionErrorsOptions;
  /** Sum of squared errors and number of records, by section, then head. */
  readonly #squares: Float64Array;
  readonly #records: Float64Array;

  /** Throws `argument-invalid` for counts that are no whole numbers from 1 on. */
  constructor(options: SectionErrorsOptions) {
    for (const [name, value] of Object.entries(options))
      if (!Number.isInteger(value) || value < 1)
        throw new InfernodeError(
          'argument-invalid',
          `${name}: expected a whole number from 1 on, got ${value}`,
        );
    this.#options = options;
    this.#squares = new Float64Array(2 * options.layers * options.heads);
    this.#records = new Float64Array(2 * options.layers);
  }

  /** Adds a sample of a section, encoded with the format that the plan without errors gives it. */
  observe(layer: number, side: KvSide, { errors }: Pick<KvEncodedRecords, 'errors'>): void {
    const section = this.#sectionOf(layer, side);
    const { heads } = this.#options;
    if (errors.length % heads !== 0)
      throw new InfernodeError(
        'argument-invalid',
        `errors: expected a multiple of ${heads} heads, got ${errors.length}`,
      );
    errors.forEach((error, i) => (this.#squares[section * heads + (i % heads)]! += error * error));
    this.#records[section]! += errors.length / heads;
  }

  /** Root mean square over the samples of the worst head; `undefined` before the first. Give it to `planPrecision`. */
  errorOf(layer: number, side: KvSide): number | undefined {
    const section = this.#sectionOf(layer, side);
    const { heads } = this.#options;
    const records = this.#records[section]!;
    if (records === 0) return undefined;
    return Math.sqrt(Math.max(...this.#squares.subarray(section * heads, (section + 1) * heads)) / records);
  }

  #sectionOf(layer: number, side: KvSide): number {
    if (!Number.isInteger(layer) || layer < 0 || layer >= this.#options.layers)
      throw new InfernodeError(
        'argument-invalid',
        `layer: expected 0 to ${this.#options.layers - 1}, got ${layer}`,
      );
    return 2 * layer + (side === 'keys' ? 0 : 1);
  }
}
