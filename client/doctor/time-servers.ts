/**
 * Reads the time servers that this host is configured to use from the files of chrony, ntpd and systemd-timesyncd.
 * Without `--ntp`, knock-otp asks no other time server. Pure text.
 */

export const TIME_FILES = [
  '/etc/chrony/chrony.conf',
  '/etc/chrony.conf',
  '/etc/systemd/timesyncd.conf',
  '/etc/ntpsec/ntp.conf',
  '/etc/ntp.conf',
] as const;

/** How many are asked, in parallel. */
const MOST = 3;

const HOST = /^[A-Za-z0-9:][A-Za-z0-9.:_-]{0,252}$/;

/** @param files the contents of those that exist */
export function timeServers(files: readonly string[]): readonly string[] {
  const found = files.flatMap((content) => content.split('\n').flatMap(serversOfLine));
  return [...new Set(found.filter((host) => HOST.test(host)))].slice(0, MOST);
}

function serversOfLine(line: string): readonly string[] {
  const text = line.replace(/[#;!].*$/, '').trim();
  const [, systemd] = /^NTP\s*=\s*(.*)$/.exec(text) ?? [];
  if (systemd !== undefined) return systemd.split(/\s+/);
  const [, host] = /^(?:server|pool|peer)\s+(?:-[46]\s+)?(\S+)/i.exec(text) ?? [];
  return host === undefined ? [] : [host];
}
