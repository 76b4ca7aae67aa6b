/**
 * The forms of knockd.conf that people publish most: in manuals, articles and answers, reduced and in our own words. Each
 * runs here as at knockd, or `check` refuses it and says why. A form that is refused for its shell runs with `shell = yes`.
 */
export interface PublicForm {
  readonly title: string;
  /** Doors; with ports that no other form has. */
  readonly doors: string;
  /** Packets that open, in the words of packet-script; absent where only `check` is to be asked. */
  readonly send?: string;
  /** The calls of stand-ins that follow, in order; `IP` is the sender. */
  readonly calls?: readonly string[];
  /** What `check` says against it; absent: it runs. */
  readonly refused?: { readonly says: RegExp; readonly hint: RegExp };
  /** A warning of `check`. */
  readonly warns?: RegExp;
  /** Lines of /var/lib/lines. */
  readonly lines?: string;
}

const RULE = 'INPUT -s IP -p tcp --dport 22 -j ACCEPT';

export const PUBLIC_FORMS: readonly PublicForm[] = [
  {
    title: 'the pair openSSH and closeSSH of every package, with iptables -A and -D',
    doors: `[openSSH]
	sequence    = 7000,8000,9000
	seq_timeout = 5
	command     = iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
	tcpflags    = syn

[closeSSH]
	sequence    = 9000,8000,7000
	seq_timeout = 5
	command     = iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
	tcpflags    = syn
`,
    send: '7000 8000 9000 wait=0.5 9000 8000 7000',
    calls: [`iptables -A ${RULE}`, `iptables -D ${RULE}`],
  },
  {
    title: 'one door of UDP and TCP that opens and closes, opencloseSSH',
    doors: `[opencloseSSH]
	sequence      = 2222:udp,3333:tcp,4444:udp
	seq_timeout   = 15
	tcpflags      = syn
	start_command = iptables -I INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
	cmd_timeout   = 1
	stop_command  = iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
`,
    send: '2222:udp 3333 4444:udp',
    calls: [`iptables -I ${RULE}`, `iptables -D ${RULE}`],
  },
  {
    title: 'the tcpflags syn,ack of the manual page, which no client sends',
    doors: `[answered]
	sequence      = 2301,2302,2303
	tcpflags      = syn,ack
	start_command = iptables -I INPUT -s %IP% -p tcp --syn -j ACCEPT
`,
    send: '2301 2302 2303 2301/syn,ack 2302/syn,ack 2303/syn,ack',
    calls: ['iptables -I INPUT -s IP -p tcp --syn -j ACCEPT'],
    warns: /no client knocks so/,
  },
  {
    title: 'a file of one-time sequences and packets with FIN, opencloseSMTP',
    doors: `[opencloseSMTP]
	one_time_sequences = /var/lib/lines
	seq_timeout   = 15
	tcpflags      = fin,!ack
	start_command = iptables -A INPUT -s %IP% -p tcp --dport 25 -j ACCEPT
	cmd_timeout   = 1
	stop_command  = iptables -D INPUT -s %IP% -p tcp --dport 25 -j ACCEPT
`,
    lines: ' 2401,2402,2403\n 2411,2412,2413\n',
    send: '2401/fin 2402/fin 2403/fin',
    calls: [
      'iptables -A INPUT -s IP -p tcp --dport 25 -j ACCEPT',
      'iptables -D INPUT -s IP -p tcp --dport 25 -j ACCEPT',
    ],
    warns: /no client knocks so/,
  },
  {
    title: 'ufw, by its bare name, with a comment in quotes',
    doors: `[openUfw]
    sequence    = 2501,2502,2503
    seq_timeout = 10
    tcpflags    = syn
    command     = ufw allow proto tcp from %IP% to any port 22 comment "opened by knockd"
[closeUfw]
    sequence    = 2503,2502,2501
    seq_timeout = 10
    tcpflags    = syn
    command     = ufw delete allow proto tcp from %IP% to any port 22
`,
    send: '2501 2502 2503 wait=0.5 2503 2502 2501',
    calls: [
      'ufw allow proto tcp from IP to any port 22 comment (opened by knockd)',
      'ufw delete allow proto tcp from IP to any port 22',
    ],
  },
  {
    title: 'commands for IPv6 of their own, and : for what is not to close there',
    doors: `[both]
	sequence        = 2601,2602,2603
	tcpflags        = syn
	start_command   = iptables -I INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
	start_command_6 = ip6tables -I INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
	stop_command    = iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
	stop_command_6  = :
	cmd_timeout     = 1
`,
    send: 'A6>2601 A6>2602 A6>2603',
    calls: [`ip6tables -I ${RULE}`],
  },
  {
    title: 'keys in any case, without blanks, with a rule number and a comment of the rule',
    doors: `# the web server
[options https]
Sequence=2701 , 2702:TCP , 2703
Seq_Timeout=10
TCPFlags=SYN
# Start_Command=/bin/false
Start_Command=iptables -I INPUT 1 -s %IP%/32 -m comment --comment 'knock: %IP%' -j ACCEPT
`,
    send: '2701 2702 2703',
    calls: ['iptables -I INPUT 1 -s IP/32 -m comment --comment (knock: IP) -j ACCEPT'],
  },
  {
    title: 'a forwarded address as target, and a port that is forwarded',
    doors: `[forwarded]
	sequence = 2801,2802,2803
	tcpflags = syn
	target   = 10.77.0.251
	command  = iptables -t nat -A PREROUTING -s %IP% -p tcp --dport 22 -j DNAT --to 10.0.0.2:22
`,
    send: '2801@other 2802@other 2803@other',
    calls: ['iptables -t nat -A PREROUTING -s IP -p tcp --dport 22 -j DNAT --to 10.0.0.2:22'],
  },
  {
    title: 'an element of a set of nftables, with its braces',
    doors: `[set]
	sequence = 2901,2902,2903
	tcpflags = syn
	command  = nft add element inet filter knocked { %IP% timeout 1h }
`,
    send: '2901 2902 2903',
    calls: ['nft add element inet filter knocked { IP timeout 1h }'],
  },
  {
    title: 'a script that gets the address and wakes a machine without it',
    doors: `[script]
	sequence      = 3001,3002,3003
	tcpflags      = syn
	start_command = open-door "%IP%" ssh
	cmd_timeout   = 1
	stop_command  = wakeonlan 00:00:5e:00:53:01
`,
    send: '3001 3002 3003',
    calls: ['open-door IP ssh', 'wakeonlan 00:00:5e:00:53:01'],
    warns: /does not contain %IP%/,
  },
  {
    title: 'two commands in a list',
    doors: `[list]
	sequence = 3101,3102,3103
	tcpflags = syn
	command  = iptables -I INPUT -s %IP% -j ACCEPT && ufw reload %IP%; open-door %IP%
`,
    send: '3101 3102 3103',
    calls: ['iptables -I INPUT -s IP -j ACCEPT', 'ufw reload IP', 'open-door IP'],
    refused: { says: /&& ; needs one/, hint: /shell = yes/ },
  },
  {
    title: 'a comment behind a command',
    doors: `[commented]
	sequence = 3201,3202,3203
	tcpflags = syn
	command  = open-door %IP%   # the office
`,
    send: '3201 3202 3203',
    calls: ['open-door IP'],
    refused: { says: /# begins a comment/, hint: /line of its own/ },
  },
  {
    title: 'a variable before the program, and the output of another',
    doors: `[variable]
	sequence = 3301,3302,3303
	tcpflags = syn
	command  = LANG=C open-door %IP% "$(echo ssh)"
`,
    send: '3301 3302 3303',
    calls: ['open-door IP ssh'],
    refused: { says: /\$ within "\.\.\." needs one/, hint: /shell = yes/ },
  },
  {
    title: 'a line for TCP Wrappers, written by echo',
    doors: `[wrapped]
	sequence = 3401,3402,3403
	tcpflags = syn
	command  = /bin/echo "open-door %IP%" >> /var/lib/said
`,
    send: '3401 3402 3403',
    calls: ['open-door IP'],
    refused: { says: />> needs one/, hint: /shell = yes/ },
  },
  {
    title: 'a folder, then a script in it',
    doors: '[folder]\nsequence = 3501,3502,3503\ntcpflags = syn\ncommand = cd /var/lib/%IP%\n',
    refused: { says: /cd is a command of the shell itself/, hint: /whole paths/ },
  },
  {
    title: 'an alias as interface',
    doors: '[options]\ninterface = eth0:0\n[alias]\nsequence = 1,3,2\ntcpflags = syn\ncommand = true %IP%\n',
    refused: { says: /is not the name of an interface/, hint: /write eth0,/ },
  },
];

/** Programs that the forms call, besides those of every system. */
export const STAND_INS = ['iptables', 'ip6tables', 'ufw', 'nft', 'open-door', 'wakeonlan'] as const;
