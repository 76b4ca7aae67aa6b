/** The status of a service on demand in words, for `status` and `watch`. */
import type { ServiceStatus } from './running-service.ts';

/** The words after the door's name. @param nowMs Unix milliseconds */
export function describeService(status: ServiceStatus, nowMs: number): string {
  const { state, since = nowMs, connections, idleSeconds, stopsInSeconds } = status;
  if (state === 'stopped') return 'does not run';
  if (state === 'other') return 'runs, but knock-otpd did not start it';
  if (state === 'unknown') return 'cannot read its connections';
  const age = time((nowMs - since) / 1000);
  const doing = {
    running: `has run for ${age}`,
    starting: `started ${age} ago, does not listen yet`,
    stopping: `is being stopped, has run for ${age}`,
  };
  const use = connections === undefined ? [] : [`${connections} connection${connections === 1 ? '' : 's'}`];
  const idle =
    idleSeconds === undefined ? [] : [`idle for ${time(idleSeconds)}`, `stops in ${time(stopsInSeconds ?? 0)}`];
  return [doing[state], ...use, ...idle].join(', ');
}

function time(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 120) return `${whole} s`;
  return whole < 7200 ? `${Math.round(whole / 60)} min` : `${Math.round(whole / 3600)} h`;
}
