/*
 * Sends paced TCP SYNs as raw frames, for benchmarks in network namespaces: from random sources or one source, to
 * random ports or to the ports of a list, which may change meanwhile. Bounded in time and count. Prints at its end how
 * many SYNs it sent.
 *
 *   flood INTERFACE SRC-MAC DST-MAC DST-IPV4 RATE SECONDS MAX-PACKETS SOURCE PORTS
 *     RATE     packets a second, 0 for as many as possible
 *     SOURCE   an IPv4 address, or "random"
 *     PORTS    "random", or a file of uint16 in host order: a count, then so many ports; it is mapped and read again
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define FRAME 54 /* Ethernet 14, IPv4 20, TCP 20 */
#define PORT_FILE_BYTES 131074

static volatile sig_atomic_t stopped;
static uint64_t seed;

static void stop(int signal) { (void)signal; stopped = 1; }

static void fail(const char *what) {
	fprintf(stderr, "flood: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t next_random(void) { /* xorshift64* */
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return seed * 2685821657736338717ULL;
}

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void mac_of(const char *text, uint8_t *into) {
	unsigned m[6];
	if (sscanf(text, "%x:%x:%x:%x:%x:%x", m, m + 1, m + 2, m + 3, m + 4, m + 5) != 6) fail("bad MAC address");
	for (int i = 0; i < 6; i++) into[i] = (uint8_t)m[i];
}

static uint32_t sum(const uint8_t *bytes, int length, uint32_t before) {
	for (int i = 0; i < length; i += 2) before += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
	return before;
}

static void put_checksum(uint8_t *at, uint32_t total) {
	while (total >> 16) total = (total & 0xffff) + (total >> 16);
	at[0] = (uint8_t)(~total >> 8);
	at[1] = (uint8_t)~total;
}

/* A unicast address that is neither loopback nor in 10/8, where the hosts of the benchmark are. */
static uint32_t random_source(void) {
	for (;;) {
		uint32_t source = (uint32_t)(next_random() >> 32);
		uint32_t network = source >> 24;
		if (network >= 1 && network < 224 && network != 10 && network != 127) return source;
	}
}

int main(int argc, char **argv) {
	if (argc != 10) { fprintf(stderr, "flood: wrong number of arguments\n"); return 2; }
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	seed = (uint64_t)t.tv_nsec ^ ((uint64_t)getpid() << 32) ^ 0x9e3779b97f4a7c15ULL;

	double rate = atof(argv[5]), seconds = atof(argv[6]);
	uint64_t most = strtoull(argv[7], NULL, 10);
	uint32_t fixed = 0;
	if (strcmp(argv[8], "random") != 0) {
		struct in_addr a;
		if (inet_pton(AF_INET, argv[8], &a) != 1) fail("bad source");
		fixed = ntohl(a.s_addr);
	}
	const volatile uint16_t *ports = NULL;
	if (strcmp(argv[9], "random") != 0) {
		int file = open(argv[9], O_RDONLY);
		if (file < 0) fail(argv[9]);
		ports = mmap(NULL, PORT_FILE_BYTES, PROT_READ, MAP_SHARED, file, 0);
		if (ports == MAP_FAILED) fail("mmap");
	}

	int wire = socket(AF_PACKET, SOCK_RAW, 0);
	if (wire < 0) fail("socket");
	int on = 1, buffer = 4 << 20;
	if (setsockopt(wire, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on) < 0) fail("PACKET_QDISC_BYPASS");
	setsockopt(wire, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(argv[1]), .sll_protocol = htons(ETH_P_IP) };
	if (to.sll_ifindex == 0 || bind(wire, (struct sockaddr *)&to, sizeof to) < 0) fail(argv[1]);

	static uint8_t frames[BATCH][FRAME];
	struct iovec parts[BATCH];
	struct mmsghdr messages[BATCH];
	memset(messages, 0, sizeof messages);
	for (int i = 0; i < BATCH; i++) {
		uint8_t *f = frames[i];
		mac_of(argv[3], f);
		mac_of(argv[2], f + 6);
		f[12] = 8;
		uint8_t head[20] = { 0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6 };
		memcpy(f + 14, head, 20);
		if (inet_pton(AF_INET, argv[4], f + 30) != 1) fail("bad destination");
		f[46] = 5 << 4;
		f[47] = 2; /* SYN */
		f[48] = 0xfa;
		f[49] = 0xf0;
		parts[i] = (struct iovec){ f, FRAME };
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}

	uint64_t sent = 0;
	double start = now(), at = start;
	while (!stopped && at - start < seconds && sent < most) {
		uint64_t due = rate > 0 ? (uint64_t)((at - start) * rate) : sent + BATCH;
		if (due <= sent) {
			struct timespec pause = { 0, 100000 };
			nanosleep(&pause, NULL);
			at = now();
			continue;
		}
		/* Packets that a busy machine delayed are not sent later in one burst. */
		unsigned count = due - sent > BATCH ? BATCH : (unsigned)(due - sent);
		if (sent + count > most) count = (unsigned)(most - sent);
		unsigned listed = ports ? ports[0] : 0;
		for (unsigned i = 0; i < count; i++) {
			uint8_t *f = frames[i];
			uint64_t r = next_random();
			uint32_t source = htonl(fixed ? fixed : random_source());
			memcpy(f + 26, &source, 4);
			uint16_t from = (uint16_t)(1024 + (r & 0x7fff)), port;
			if (ports) port = listed ? ports[1 + (r >> 32) % listed] : 1;
			else port = (uint16_t)(1 + (r >> 32) % 65535);
			uint32_t number = (uint32_t)(r >> 16);
			from = htons(from);
			port = htons(port);
			memcpy(f + 34, &from, 2);
			memcpy(f + 36, &port, 2);
			memcpy(f + 38, &number, 4);
			f[24] = f[25] = f[50] = f[51] = 0;
			put_checksum(f + 24, sum(f + 14, 20, 0));
			put_checksum(f + 50, sum(f + 34, 20, sum(f + 26, 8, 6 + 20)));
		}
		int done = sendmmsg(wire, messages, count, 0);
		if (done < 0) {
			if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR) fail("send");
			struct timespec pause = { 0, 50000 };
			nanosleep(&pause, NULL);
		} else sent += (uint64_t)done;
		at = now();
	}
	printf("{\"sent\":%llu,\"seconds\":%.3f}\n", (unsigned long long)sent, now() - start);
	return 0;
}
