/**
 * The time servers that this host is set up to use: nobody else is asked without the user's word. Pure text; the files
 * are those of chrony, ntpd, and systemd's timesyncd.
 */

export const TIME_FILES = [
  '/etc/chrony/chrony.conf',
  '/etc/chrony.conf',
  '/etc/systemd/timesyncd.conf',
  '/etc/ntpsec/ntp.conf',
  '/etc/ntp.conf',
] as const;

/** Asked at once; the first answer is taken. */
const MOST = 3;

const HOST = /^[A-Za-z0-9:][A-Za-z0-9.:_-]{0,252}$/;

/** @param files the content of those that are there */
export function timeServers(files: readonly string[]): readonly string[] {
  const found = files.flatMap((text) => text.split('\n').flatMap(serversOfLine));
  return [...new Set(found.filter((host) => HOST.test(host)))].slice(0, MOST);
}

function serversOfLine(line: string): readonly string[] {
  const words = line.replace(/[#;!].*$/, '').trim();
  const [, systemd] = /^NTP\s*=\s*(.*)$/.exec(words) ?? [];
  if (systemd !== undefined) return systemd.split(/\s+/);
  const [, host] = /^(?:server|pool|peer)\s+(?:-[46]\s+)?(\S+)/i.exec(words) ?? [];
  return host === undefined ? [] : [host];
}
