/**
 * Reads server-sent events.
 *
 * Source: WHATWG HTML, 9.2 "Server-sent events".
 *
 * @packageDocumentation
 */
import { StringDecoder } from 'node:string_decoder';
import { CliError, Exit } from './exit.ts';

/** One event. */
export interface ServerEvent {
  /** `message` where the server named none. */
  readonly event: string;
  readonly data: string;
}

/** No event of ours comes near it. */
const MAX_EVENT_CHARACTERS = 1024 * 1024;

/** The events of a stream of bytes, as they come. An event that the stream's end cuts off is none. */
export async function* serverEvents(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<ServerEvent> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  let event = '';
  let data: string[] = [];
  let size = 0;
  for await (const chunk of bytes) {
    rest += decoder.write(Buffer.from(chunk));
    if (rest.length + size > MAX_EVENT_CHARACTERS) throw new CliError(Exit.unreachable, 'the server sends an event without end');
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0) yield { event: event || 'message', data: data.join('\n') };
        event = '';
        data = [];
        size = 0;
        continue;
      }
      size += line.length;
      const [, field = '', value = ''] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
      if (field === 'data') data.push(value);
      else if (field === 'event') event = value;
    }
  }
}
