/** Header lines of HTTP/1.1 messages, as both sides read and write them. */
import { framing, MalformedMessage, type Framing } from './message-parser.js';

const namePattern = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const valuePattern = /^[\t\x20-\x7e\x80-\xff]*$/;

/** What the headers say about the message itself, gathered line by line. */
export class MessageFields {
  /** Flat name/value list, names as they were written. */
  readonly flat: string[] = [];
  length: number | null = null;
  chunked = false;
  /** The lower-case tokens of `connection`, joined by commas. */
  connection = '';

  /** Returns the name in lower case. Throws `MalformedMessage`. */
  read(line: string): string {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon);
    const value = withoutMargins(line, colon + 1);
    if (colon <= 0 || !namePattern.test(name) || !valuePattern.test(value))
      throw new MalformedMessage('a header that is none');
    this.flat.push(name, value);
    const lower = name.toLowerCase();
    if (lower === 'content-length') {
      if (!/^\d{1,15}$/.test(value) || (this.length !== null && this.length !== Number(value)))
        throw new MalformedMessage('a content-length that is no length');
      this.length = Number(value);
    } else if (lower === 'transfer-encoding') {
      if (this.chunked || value.toLowerCase() !== 'chunked')
        throw new MalformedMessage('a transfer-encoding other than chunked');
      this.chunked = true;
    } else if (lower === 'connection') this.connection += `,${value.toLowerCase()}`;
    return lower;
  }

  says(token: 'close' | 'keep-alive'): boolean {
    return this.connection !== '' && this.connection.split(',').some((one) => one.trim() === token);
  }

  /** How the body ends where the headers say it (RFC 9112, 6.3), else as `unsaid`. */
  framing(unsaid: Framing): Framing {
    if (this.chunked && this.length !== null) throw new MalformedMessage('a content-length beside chunks');
    return this.chunked ? framing.chunked : (this.length ?? unsaid);
  }
}

/** Spaces and tabs only: what else `trim` takes is no margin to others who read this. */
function withoutMargins(line: string, from: number): string {
  let start = from;
  let end = line.length;
  while (start < end && isMargin(line.charCodeAt(start))) start += 1;
  while (end > start && isMargin(line.charCodeAt(end - 1))) end -= 1;
  return line.slice(start, end);
}

function isMargin(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** One line to be sent. Whatever could end it early is refused here, wherever it came from. */
export function fieldLine(name: string, value: string): string {
  if (!valuePattern.test(value)) throw new Error(`header ${name} holds a control character`);
  return `${name}: ${value}\r\n`;
}
