/** The examples in the help of each command. A test gives every line to the grammar. */
import type { Examples } from '../../shared/command-line/examples.ts';

export const EXAMPLES: Examples = {
  '': [
    ['knock-otpd init', 'make a configuration and a first client'],
    ['knock-otpd check', 'list errors, and how safe each door is'],
    ['knock-otpd run --trial 5m', 'hide the ports for 5 minutes, as a trial'],
    ['knock-otpd confirm', 'end the trial: the ports stay hidden'],
    ['knock-otpd', 'run in the foreground (-d: background)'],
    ['knock-otpd status', 'exit 0 only if the daemon is healthy'],
    ['knock-otpd enroll phone --door ssh', 'enroll one more client'],
    ['knock-otpd -c /etc/knockd.conf', 'run with the configuration of knockd'],
  ],
  check: [
    ['knock-otpd check', ''],
    ['knock-otpd check -c new.conf --json', ''],
  ],
  enroll: [
    ['knock-otpd enroll laptop --door ssh --host bastion1.example.org > laptop.uri', ''],
    ['knock-otpd enroll laptop --replace', 'a new secret; the old one then opens nothing'],
  ],
  revoke: [
    ['knock-otpd revoke laptop', 'at every door'],
    ['knock-otpd revoke laptop --door web', ''],
  ],
  status: [
    ['knock-otpd status', ''],
    ['knock-otpd status --json', ''],
  ],
  reload: [['knock-otpd reload', 'the same as SIGHUP, and prints the result']],
  explain: [
    ['knock-otpd explain knocks.pcap', 'a file of tcpdump -w knocks.pcap'],
    ['knock-otpd explain knocks.pcap --own 192.0.2.10', 'on another machine than the server'],
    ['knock-otpd explain --live', 'packets that the daemon hears now, until Ctrl-C'],
  ],
  watch: [['knock-otpd watch', 'q quits']],
  init: [
    ['knock-otpd init', 'ask which port to hide'],
    ['knock-otpd init --yes --open "nftables tcp/22" --host bastion1.example.org', ''],
  ],
  run: [
    ['knock-otpd run --trial 5m', 'the ports open again after 5 minutes, unless you confirm'],
    ['knock-otpd run', ''],
  ],
  confirm: [['knock-otpd confirm', 'in a session that you opened by a knock']],
  flush: [['knock-otpd flush', 'first stop the daemon']],
  'install-service': [
    ['knock-otpd install-service', 'write the files and print the next commands'],
    ['knock-otpd install-service --print', ''],
    ['knock-otpd install-service --remove', 'first disable the service'],
  ],
  sequences: [
    ['knock-otpd sequences -o ssh.sequences --copy laptop.sequences', ''],
    ['knock-otpd sequences -o ssh.sequences --print', 'with sheets to print on paper'],
    ['knock-otpd sequences -o ssh.sequences -n 20 --protocols both --host bastion1', ''],
  ],
  'accept-clock': [['knock-otpd accept-clock', 'if status says that totp doors refuse']],
  completion: [
    ['knock-otpd completion bash > /etc/bash_completion.d/knock-otpd', ''],
    ['knock-otpd completion zsh > /usr/local/share/zsh/site-functions/_knock-otpd', ''],
    ['knock-otpd completion fish > /etc/fish/completions/knock-otpd.fish', ''],
  ],
};
