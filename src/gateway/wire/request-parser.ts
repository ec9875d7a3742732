/** Reads one request at a time from the bytes of a client's connection. */
import type { IncomingHttpHeaders } from 'node:http';
import { MessageFields } from './header-fields.js';
import { MalformedMessage, MessageParser, type BodySink, type Framing } from './message-parser.js';

export interface RequestHead {
  method: string;
  /** The request target as the client wrote it, query included. */
  target: string;
  /** HTTP/1.0: no chunks in the answer. */
  old: boolean;
  /** By name in lower case; of a name that came twice the first, or all with commas, as Node has it. */
  headers: IncomingHttpHeaders;
  /** Flat name/value list, names as the client wrote them. */
  rawHeaders: readonly string[];
  /** Declared length of the body; `null` when it comes in chunks. */
  length: number | null;
  /** The client takes another answer on this connection. */
  keepAlive: boolean;
  /** The client waits for `100 Continue` before it sends the body. */
  waits: boolean;
}

export interface RequestSink extends BodySink {
  onHead(head: RequestHead): void;
}

/** Node's own limit. */
const maxHeadBytes = 16 * 1024;
/** Of these names a second one does not count; of the others all do. */
const onlyFirst = new Set([
  'authorization',
  'content-type',
  'from',
  'if-modified-since',
  'if-unmodified-since',
  'max-forwards',
  'proxy-authorization',
  'referer',
  'user-agent',
]);

export class RequestParser extends MessageParser {
  readonly #sink: RequestSink;
  /** Whether bytes of the next request have come. */
  #begun = false;
  /** Half of a blank line before it has come. */
  #afterReturn = false;

  constructor(sink: RequestSink) {
    super(sink, maxHeadBytes);
    this.#sink = sink;
    this.expect();
  }

  /** Expects the next request. */
  begin(): void {
    this.#begun = false;
    this.expect();
  }

  /** Takes bytes up to the end of the request; returns those behind it, or `null`. Throws `MalformedMessage`. */
  push(bytes: Buffer): Buffer | null {
    const fresh = this.#begun ? bytes : this.#withoutBlankLines(bytes);
    if (fresh.length === 0) return null;
    this.#begun = true;
    const left = this.take(fresh, fresh.length);
    return left === 0 ? null : fresh.subarray(fresh.length - left);
  }

  /** Blank lines before a request line mean nothing (RFC 9112, 2.2): old clients end a body with one. */
  #withoutBlankLines(bytes: Buffer): Buffer {
    let at = 0;
    for (; at < bytes.length && bytes[at] === (this.#afterReturn ? 0x0a : 0x0d); at++)
      this.#afterReturn = !this.#afterReturn;
    if (this.#afterReturn && at < bytes.length) throw new MalformedMessage('half of a blank line');
    return at === 0 ? bytes : bytes.subarray(at);
  }

  protected override readHead(lines: string[]): Framing {
    const { head, fields } = parseHead(lines);
    const body = fields.framing(0);
    head.length = fields.chunked ? null : body;
    this.#sink.onHead(head);
    return body;
  }
}

function parseHead(lines: string[]): { head: RequestHead; fields: MessageFields } {
  const first = /^([A-Z][A-Z-]{0,31}) ([\x21-\x7e\x80-\xff]+) HTTP\/1\.([01])$/.exec(lines[0] as string);
  if (first === null) throw new MalformedMessage('a first line that is no HTTP/1 request');
  const old = first[3] === '0';
  const fields = new MessageFields();
  // Without prototype: what clients call their headers must not meet what objects inherit.
  const headers = Object.create(null) as Record<string, string>;
  let hosts = 0;
  for (let i = 1; i < lines.length; i++) {
    const name = fields.read(lines[i] as string);
    const value = fields.flat[fields.flat.length - 1] as string;
    const known = headers[name];
    if (name === 'host') hosts += 1;
    if (name === 'content-length' && known !== undefined) throw new MalformedMessage('two content-lengths');
    if (known === undefined) headers[name] = value;
    else if (!onlyFirst.has(name)) headers[name] = `${known}${name === 'cookie' ? ';' : ','} ${value}`;
  }
  if (hosts > 1 || (hosts === 0 && !old)) throw new MalformedMessage('no host, or several');
  if (old && fields.chunked) throw new MalformedMessage('chunks in HTTP/1.0');
  const head: RequestHead = {
    method: first[1] as string,
    target: first[2] as string,
    old,
    headers,
    rawHeaders: fields.flat,
    length: 0,
    keepAlive: old ? fields.says('keep-alive') : !fields.says('close'),
    waits: !old && headers['expect']?.toLowerCase() === '100-continue',
  };
  return { head, fields };
}
