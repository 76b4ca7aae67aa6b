/** A service on demand in words, for status and for the picture of `watch`. */
import type { ServiceStatus } from './running-service.ts';

/** Behind the door's name; `nowMs` is Unix milliseconds. */
export function describeService(status: ServiceStatus, nowMs: number): string {
  const { state, since = nowMs, connections, idleSeconds, stopsInSeconds } = status;
  if (state === 'stopped') return 'does not run';
  if (state === 'other') return 'runs, started by somebody else and not ours to stop';
  if (state === 'unknown') return 'cannot be looked at';
  const doing = { running: 'runs', starting: 'does not listen yet, was started', stopping: 'is being stopped, runs' };
  const use = connections === undefined ? [] : [`${connections} connection${connections === 1 ? '' : 's'}`];
  const idle =
    idleSeconds === undefined ? [] : [`idle for ${time(idleSeconds)}`, `stops in ${time(stopsInSeconds ?? 0)}`];
  return [`${doing[state]} since ${time((nowMs - since) / 1000)}`, ...use, ...idle].join(', ');
}

function time(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 120) return `${whole} s`;
  return whole < 7200 ? `${Math.round(whole / 60)} min` : `${Math.round(whole / 3600)} h`;
}
