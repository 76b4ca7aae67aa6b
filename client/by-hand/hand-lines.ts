/**
 * A knock as one line for a machine without knock-otp: for bash alone, nc, nmap, hping3 or PowerShell. Pure text.
 *
 * Every line has three properties: each knock leaves after the one before; a filtered port, which never answers, delays
 * nothing; and no kernel repeats a SYN, which it does after 1 s and which knockd takes for a wrong knock. So each knock
 * is a background process that is ended after a pause: long enough for a packet to leave, and shorter than that second.
 */
import { KnockError } from '../../shared/errors.ts';
import type { Knock } from '../../shared/knock.ts';
import type { Address } from '../deps.ts';

export const HAND_FORMS = ['bash', 'nc', 'nmap', 'hping3', 'powershell'] as const;
export type HandForm = (typeof HAND_FORMS)[number];

export interface HandKnock {
  readonly address: Address;
  readonly knocks: readonly Knock[];
  readonly order: 'any' | 'strict';
  /** Seconds within which the server expects the whole sequence; undefined when not known. */
  readonly timeoutSeconds: number | undefined;
}

export interface HandLine {
  readonly line: string;
  /** What the line needs to run, such as root. */
  readonly needs: string | undefined;
}

/** Programs start slowly on a busy machine. With many knocks or a short `seq_timeout` the pause is shorter. */
const PAUSE_MS = 100;
const LEAST_PAUSE_MS = 20;
/** The share of `seq_timeout` that the pauses may take. */
const SHARE_OF_TIMEOUT = 0.7;

/** The shortest time-out of nmap for a probe without an answer; one try; 5 s at most for all. */
const NMAP_WORDS = 'nmap -Pn -n --max-retries 0 --initial-rtt-timeout 100ms --max-rtt-timeout 100ms --host-timeout 5s';

/** @throws KnockError USAGE when the form cannot knock at such an address */
export function handLine(form: HandForm, knock: HandKnock): HandLine {
  // The address comes from the resolver or from Node's parser. A shell will read it, so it is checked again.
  if (!/^[0-9A-Za-z.:%-]+$/.test(knock.address.address)) {
    throw new KnockError('USAGE', 'the address is not safe in a command line');
  }
  const isV6 = knock.address.family === 6;
  switch (form) {
    case 'bash':
      return { line: shellLine('bash', knock, '(echo >/dev/tcp/$a/$1)', '(echo >/dev/udp/$a/$1)'), needs: undefined };
    case 'nc':
      return {
        line: shellLine('sh', knock, 'nc -nz -w1 $a $1', 'echo | nc -nu -w1 $a $1'),
        needs: isV6 ? 'an nc with IPv6 (the traditional nc has none)' : undefined,
      };
    case 'hping3':
      if (isV6) throw new KnockError('USAGE', 'hping3 has no IPv6', { hint: 'choose -4, or --as nmap' });
      return {
        line: shellLine('sh', knock, 'hping3 -q -n -c 1 -S -p $1 $a', 'hping3 -q -n -c 1 -2 -p $1 $a'),
        needs: 'root',
      };
    case 'nmap':
      return { line: nmapLine(knock), needs: hasUdp(knock) ? 'root' : undefined };
    case 'powershell':
      return { line: powershellLine(knock), needs: undefined };
  }
}

/** `t` knocks by TCP, `u` by UDP, and `e` ends the background process. */
function shellLine(shell: 'bash' | 'sh', knock: HandKnock, tcp: string, udp: string): string {
  const { address, knocks } = knock;
  const words = [
    `a=${address.address}`,
    `e() { sleep ${pauseMs(knock) / 1000}; kill $!; }`,
    ...(hasTcp(knock) ? [`t() { ${tcp} & e; }`] : []),
    ...(hasUdp(knock) ? [`u() { ${udp} & e; }`] : []),
    ...knocks.map(({ protocol, port }) => `${protocol === 'tcp' ? 't' : 'u'} ${port}`),
  ];
  return `${shell} -c '${words.join('; ')}' >/dev/null 2>&1`;
}

/** nmap shuffles the ports of a run, or sorts them: for a strict order each knock needs a run. */
function nmapLine(knock: HandKnock): string {
  const { address, knocks, order } = knock;
  const words = `${NMAP_WORDS}${address.family === 6 ? ' -6' : ''}`;
  if (order === 'any') {
    const scans = hasUdp(knock) ? ` ${hasTcp(knock) ? '-sS ' : ''}-sU --data-length 0` : '';
    const ports = knocks.map(({ protocol, port }) => `${protocol === 'tcp' ? 'T' : 'U'}:${port}`).join(',');
    return `${words}${scans} -p ${ports} ${address.address}`;
  }
  const runs = [
    `a=${address.address}`,
    ...(hasTcp(knock) ? [`t() { ${words} -p $1 $a; }`] : []),
    ...(hasUdp(knock) ? [`u() { ${words} -sU --data-length 0 -p $1 $a; }`] : []),
    ...knocks.map(({ protocol, port }) => `${protocol === 'tcp' ? 't' : 'u'} ${port}`),
  ];
  return `sh -c '${runs.join('; ')}' >/dev/null`;
}

/** For a prompt of PowerShell 5 or later. A knock is a connection that is started, and closed after the pause. */
function powershellLine(knock: HandKnock): string {
  const { address, knocks } = knock;
  const list = knocks.map(({ protocol, port }) => `'${protocol}/${port}'`).join(',');
  const tcp =
    '$c = New-Object Net.Sockets.TcpClient($a.AddressFamily); $null = $c.BeginConnect($a, [int]$p, $null, $null)';
  const udp =
    '$c = New-Object Net.Sockets.UdpClient($a.AddressFamily); ' +
    '$null = $c.Send([byte[]]@(0), 1, (New-Object Net.IPEndPoint($a, [int]$p)))';
  return (
    `$a = [Net.IPAddress]'${address.address}'; foreach ($k in ${list}) { $t, $p = $k.Split('/'); ` +
    `if ($t -eq 'tcp') { ${tcp} } else { ${udp} }; Start-Sleep -Milliseconds ${pauseMs(knock)}; $c.Close() }`
  );
}

function pauseMs({ knocks, timeoutSeconds }: HandKnock): number {
  if (timeoutSeconds === undefined) return PAUSE_MS;
  const affordable = Math.floor((timeoutSeconds * 1000 * SHARE_OF_TIMEOUT) / knocks.length);
  return Math.min(PAUSE_MS, Math.max(LEAST_PAUSE_MS, affordable));
}

function hasTcp({ knocks }: HandKnock): boolean {
  return knocks.some(({ protocol }) => protocol === 'tcp');
}

function hasUdp({ knocks }: HandKnock): boolean {
  return knocks.some(({ protocol }) => protocol === 'udp');
}
