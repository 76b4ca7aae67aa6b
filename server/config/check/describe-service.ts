/** Reports a door's service on demand for `knock-otpd check`; empty if the door starts no service. */
import type { ServiceTerms } from '../../demand/service-terms.ts';

/** Without the commands, which may contain secrets. */
export interface ServiceReported {
  readonly service?: { readonly ports: readonly number[]; readonly idleSeconds: number; readonly stopsAny: boolean };
}

export function serviceReport({ service }: { readonly service?: ServiceTerms }): ServiceReported {
  if (service === undefined) return {};
  const { ports, idleMs, adopts } = service;
  return { service: { ports, idleSeconds: idleMs / 1000, stopsAny: adopts === true } };
}

export function serviceLine({ service }: ServiceReported): [string, string][] {
  if (service === undefined) return [];
  const { ports, idleSeconds, stopsAny } = service;
  const owner = stopsAny ? ', also if already running' : '';
  const portList = ports.map((port) => `tcp/${port}`).join(', ');
  return [['service', `started by a knock, stopped after ${idleSeconds} s without use of ${portList}${owner}`]];
}
