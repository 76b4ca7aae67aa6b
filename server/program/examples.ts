/** The examples in the help of each command. A test gives every line to the grammar. */
import type { Examples } from '../../shared/command-line/examples.ts';

export const EXAMPLES: Examples = {
  '': [
    ['knock-otpd init', 'a first configuration and a first client'],
    ['knock-otpd check', 'what is wrong, how safe each door is'],
    ['knock-otpd run --trial 5m', 'hides the ports, for good once confirmed'],
    ['knock-otpd confirm', 'it works: they stay hidden'],
    ['knock-otpd', 'in the foreground; -d for the background'],
    ['knock-otpd status', 'exit 0 only when it runs and hears'],
    ['knock-otpd enroll phone --door ssh', "one more client's secret, shown once"],
    ['knock-otpd -c /etc/knockd.conf', "knockd's configuration, as it is"],
  ],
  check: [
    ['knock-otpd check', ''],
    ['knock-otpd check -c new.conf --json', ''],
  ],
  enroll: [
    ['knock-otpd enroll laptop --door ssh --host bastion1.example.org > laptop.uri', ''],
    ['knock-otpd enroll laptop --replace', 'a new secret; the old one is worth nothing then'],
  ],
  revoke: [
    ['knock-otpd revoke laptop', 'at every door'],
    ['knock-otpd revoke laptop --door web', ''],
  ],
  status: [
    ['knock-otpd status', ''],
    ['knock-otpd status --json', ''],
  ],
  reload: [['knock-otpd reload', 'the same as SIGHUP, and says what came of it']],
  explain: [
    ['knock-otpd explain knocks.pcap', 'as tcpdump -w knocks.pcap wrote it'],
    ['knock-otpd explain knocks.pcap --own 192.0.2.10', 'read on another machine'],
    ['knock-otpd explain --live', 'what the daemon hears now, until Ctrl-C'],
  ],
  watch: [['knock-otpd watch', 'q ends it']],
  init: [
    ['knock-otpd init', 'asks what to hide'],
    ['knock-otpd init --yes --open "nftables tcp/22" --host bastion1.example.org', ''],
  ],
  run: [
    ['knock-otpd run --trial 5m', 'in five minutes the ports are open again, unless confirmed'],
    ['knock-otpd run', ''],
  ],
  confirm: [['knock-otpd confirm', 'from a session that a knock let in']],
  flush: [['knock-otpd flush', 'when the daemon is stopped']],
  'install-service': [
    ['knock-otpd install-service', 'and says what to type next'],
    ['knock-otpd install-service --print', ''],
    ['knock-otpd install-service --remove', 'when the service is disabled'],
  ],
  sequences: [
    ['knock-otpd sequences -o ssh.sequences --copy laptop.sequences', ''],
    ['knock-otpd sequences -o ssh.sequences --print', 'and sheets for paper'],
    ['knock-otpd sequences -o ssh.sequences -n 20 --protocols both --host bastion1', ''],
  ],
  'accept-clock': [['knock-otpd accept-clock', 'when status says that totp doors refuse']],
  completion: [
    ['knock-otpd completion bash > /etc/bash_completion.d/knock-otpd', ''],
    ['knock-otpd completion zsh > /usr/local/share/zsh/site-functions/_knock-otpd', ''],
    ['knock-otpd completion fish > /etc/fish/completions/knock-otpd.fish', ''],
  ],
};
