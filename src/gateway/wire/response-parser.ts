/** Reads one response at a time from the bytes of a connection to an engine. */
import { MessageFields } from './header-fields.js';
import { framing, MalformedMessage, MessageParser, type BodySink, type Framing } from './message-parser.js';

export interface ResponseSink extends BodySink {
  /** Interim responses (1xx) are passed over. */
  onHead(head: ResponseHead): void;
}

export interface ResponseHead {
  status: number;
  /** Flat name/value list, names as the engine wrote them. */
  headers: string[];
  contentType: string;
  contentEncoding: string | null;
  /** The engine keeps the connection open after this response. */
  keepAlive: boolean;
  /** From `keep-alive: timeout=N`, seconds; `null` when the engine does not say. */
  keepAliveSeconds: number | null;
}

/** Node's own limit for a whole head is 16 KiB; engines are trusted with more. */
const maxHeadBytes = 64 * 1024;

export class ResponseParser extends MessageParser {
  readonly #sink: ResponseSink;
  #bodyless = false;

  constructor(sink: ResponseSink) {
    super(sink, maxHeadBytes);
    this.#sink = sink;
  }

  /** Expects the next response; `method` tells whether it can have a body. */
  begin(method: string): void {
    this.#bodyless = method === 'HEAD';
    this.expect();
  }

  /** Takes the bytes of one read, which may be overwritten afterwards. Throws `MalformedMessage`. */
  push(read: Buffer, length = read.length): void {
    if (this.take(read, length) > 0) throw new MalformedMessage('bytes that belong to no response');
  }

  protected override readHead(lines: string[]): Framing {
    const { head, fields } = parseHead(lines);
    if (head.status === 101) throw new MalformedMessage('a switch of protocols nobody asked for');
    const body = fields.framing(framing.untilClose);
    if (head.status < 200) return framing.anotherHead;
    this.#sink.onHead(head);
    return this.#bodyless || head.status === 204 || head.status === 304 ? 0 : body;
  }
}

function parseHead(lines: string[]): { head: ResponseHead; fields: MessageFields } {
  const status = /^HTTP\/1\.([01]) (\d{3})(?: [\t\x20-\x7e\x80-\xff]*)?$/.exec(lines[0] as string);
  if (status === null) throw new MalformedMessage('a first line that is no HTTP/1 status');
  const fields = new MessageFields();
  const head: ResponseHead = {
    status: Number(status[2]),
    headers: fields.flat,
    contentType: '',
    contentEncoding: null,
    keepAlive: status[1] === '1',
    keepAliveSeconds: null,
  };
  for (let i = 1; i < lines.length; i++) {
    const name = fields.read(lines[i] as string);
    const value = fields.flat[fields.flat.length - 1] as string;
    if (name === 'content-type') head.contentType = value;
    else if (name === 'content-encoding') head.contentEncoding = value;
    else if (name === 'keep-alive') {
      const timeout = /\btimeout=(\d{1,6})\b/.exec(value);
      if (timeout !== null) head.keepAliveSeconds = Number(timeout[1]);
    }
  }
  if (fields.says('close')) head.keepAlive = false;
  return { head, fields };
}
