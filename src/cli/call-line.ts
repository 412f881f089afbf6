/**
 * A call, or an event, on one line.
 *
 * @packageDocumentation
 */
import type { CallView, EventView } from '../observe/views.ts';
import { millis, timeOfDay } from './format.ts';
import type { Style } from './style.ts';
import { safe } from './text.ts';

/** `12:34:56.789 client OK 1.2ms pkg.Service/Method -> 10.0.0.1:50051 envelope attempts=2 reason=...`. */
export function callLine(call: CallView, style: Style): string {
  const { side, method, status, durationMs, startedAtMs, endpoints, attempts, hedges, queuedMs, ride, reason, metadata } = call;
  const arrow = side === 'client' ? '->' : '<-';
  const parts = [
    style('dim', timeOfDay(startedAtMs)),
    side,
    style(status === 'OK' ? 'good' : 'bad', safe(status).padEnd(2)),
    millis(durationMs).padStart(7),
    safe(method),
    ...(endpoints.length === 0 ? [] : [style('dim', arrow), endpoints.map(safe).join(', ')]),
    ...(ride === 'plain' ? [] : [style('dim', safe(ride))]),
    ...(attempts === 1 || side === 'server' ? [] : [style('warn', `attempts=${attempts}`)]),
    ...(hedges > 0 ? [style('warn', `hedges=${hedges}`)] : []),
    ...(queuedMs >= 0.05 ? [`queued=${millis(queuedMs)}`] : []),
    ...(reason === undefined ? [] : [style('bad', `reason=${safe(reason)}`)]),
    ...Object.entries(metadata ?? {}).map(([key, values]) => style('dim', `${safe(key)}=${values.map(safe).join(',')}`)),
  ];
  return parts.join(' ');
}

/** `12:34:56.789 warn endpoint.ejected 10.0.0.1:50051: five failures in a row (failures) x3`. */
export function eventLine({ atMs, level, kind, subject, reason, text, times }: EventView, style: Style): string {
  const said = safe(text);
  // The sentence may name subject and reason itself.
  const about = subject === '' || text.includes(subject) ? '' : `${safe(subject)}: `;
  const why = reason === undefined || text.includes(reason) ? '' : ` (${safe(reason)})`;
  const often = times > 1 ? ` x${times}` : '';
  return `${style('dim', timeOfDay(atMs))} ${style(level === 'warn' ? 'warn' : 'plain', level)} ${safe(kind)} ${about}${said}${why}${often}`;
}
