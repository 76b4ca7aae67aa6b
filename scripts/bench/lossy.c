/*
 * Imitates a bad path: forwards frames between two interfaces, both ways. It loses, delays (so later frames overtake) and
 * repeats some of them, each packet independently. For tests and benchmarks in network namespaces.
 *
 *   lossy INTERFACE-A INTERFACE-B DELAY-MS LOSS-% REORDER-% DUPLICATE-% [SEED]
 *     DELAY-MS   of every frame; a reordered one takes up to MOST_EXTRA_MS more
 * Never loses address resolution, because its retry would cost the kernel a second that is no part of the knock.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SLOTS 8192
#define LARGEST 2048
#define MOST_EXTRA_MS 10.0

struct held { double due; int out, length; uint8_t bytes[LARGEST]; };
static struct held *heap[SLOTS];
static int held;
static uint64_t seed;

static void fail(const char *what) {
	fprintf(stderr, "lossy: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static double uniform(void) { /* [0, 1), xorshift64* */
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (double)((seed * 2685821657736338717ULL) >> 11) / 9007199254740992.0;
}

static int happens(double percent) { return uniform() * 100 < percent; }

static int open_wire(const char *name) {
	int wire = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETH_P_ALL));
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = (int)if_nametoindex(name) };
	if (wire < 0 || at.sll_ifindex == 0 || bind(wire, (struct sockaddr *)&at, sizeof at) < 0) fail(name);
	struct packet_mreq all = { .mr_ifindex = at.sll_ifindex, .mr_type = PACKET_MR_PROMISC };
	if (setsockopt(wire, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof all) < 0) fail("promiscuous mode");
	return wire;
}

static void hold(const uint8_t *bytes, int length, int out, double due) {
	if (held == SLOTS) return;
	struct held *entry = malloc(sizeof *entry);
	if (entry == NULL) fail("memory");
	entry->due = due;
	entry->out = out;
	entry->length = length;
	memcpy(entry->bytes, bytes, (size_t)length);
	int at = held++;
	while (at > 0 && heap[(at - 1) / 2]->due > due) { heap[at] = heap[(at - 1) / 2]; at = (at - 1) / 2; }
	heap[at] = entry;
}

static struct held *take(void) {
	struct held *first = heap[0], *last = heap[--held];
	int at = 0;
	for (;;) {
		int child = 2 * at + 1;
		if (child >= held) break;
		if (child + 1 < held && heap[child + 1]->due < heap[child]->due) child++;
		if (heap[child]->due >= last->due) break;
		heap[at] = heap[child];
		at = child;
	}
	if (held > 0) heap[at] = last;
	return first;
}

static uint32_t add(const uint8_t *bytes, int length, uint32_t sum) {
	for (int i = 0; i + 1 < length; i += 2) sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
	return length & 1 ? sum + (uint32_t)(bytes[length - 1] << 8) : sum;
}

/* The kernel leaves the checksums of TCP and UDP to the network card. A veth pair is none, so this program adds them. */
static void complete(uint8_t *frame, int length) {
	int is4 = frame[12] == 8 && frame[13] == 0, is6 = frame[12] == 0x86 && frame[13] == 0xdd;
	if ((!is4 || length < 34) && (!is6 || length < 54)) return;
	uint8_t *ip = frame + 14;
	int head = is4 ? (ip[0] & 15) * 4 : 40, protocol = is4 ? ip[9] : ip[6];
	int size = is4 ? (ip[2] << 8 | ip[3]) - head : ip[4] << 8 | ip[5];
	int field = protocol == 6 ? 16 : 6;
	if ((protocol != 6 && protocol != 17) || size < field + 2 || 14 + head + size > length) return;
	uint8_t *segment = ip + head;
	segment[field] = segment[field + 1] = 0;
	uint32_t sum = add(segment, size, (uint32_t)(protocol + size));
	sum = is4 ? add(ip + 12, 8, sum) : add(ip + 8, 32, sum);
	while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
	sum = ~sum & 0xffff;
	if (protocol == 17 && sum == 0) sum = 0xffff;
	segment[field] = (uint8_t)(sum >> 8);
	segment[field + 1] = (uint8_t)sum;
}

int main(int argc, char **argv) {
	if (argc < 7 || argc > 8) { fprintf(stderr, "lossy: wrong number of arguments\n"); return 2; }
	struct pollfd wires[2] = { { open_wire(argv[1]), POLLIN, 0 }, { open_wire(argv[2]), POLLIN, 0 } };
	double delay = atof(argv[3]), loss = atof(argv[4]), reorder = atof(argv[5]), duplicate = atof(argv[6]);
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	seed = argc == 8 ? strtoull(argv[7], NULL, 10) * 0x9e3779b97f4a7c15ULL + 1 : (uint64_t)t.tv_nsec * 0x9e3779b97f4a7c15ULL + 1;
	printf("forwarding\n");
	fflush(stdout);
	uint8_t frame[LARGEST];
	for (;;) {
		double at = now();
		while (held > 0 && heap[0]->due <= at) {
			struct held *entry = take();
			if (write(entry->out, entry->bytes, (size_t)entry->length) < 0 && errno != ENOBUFS && errno != EAGAIN) fail("write");
			free(entry);
		}
		struct timespec wait = { 1, 0 };
		if (held > 0) {
			double ms = heap[0]->due - now();
			if (ms < 0) ms = 0;
			wait = (struct timespec){ (time_t)(ms / 1e3), (long)((ms - 1e3 * (int)(ms / 1e3)) * 1e6) };
		}
		if (ppoll(wires, 2, &wait, NULL) < 0 && errno != EINTR) fail("poll");
		for (int i = 0; i < 2; i++) {
			for (;;) {
				struct sockaddr_ll from;
				socklen_t size = sizeof from;
				ssize_t length = recvfrom(wires[i].fd, frame, sizeof frame, 0, (struct sockaddr *)&from, &size);
				if (length < 0) {
					if (errno != EAGAIN && errno != EINTR && errno != ENETDOWN) fail("read");
					break;
				}
				/* The socket also receives the frames that this program sent. */
				if (from.sll_pkttype == PACKET_OUTGOING || length < 14) continue;
				int out = wires[1 - i].fd;
				double due = now() + delay;
				if (frame[12] == 8 && frame[13] == 6) { hold(frame, (int)length, out, due); continue; }
				if (happens(loss)) continue;
				complete(frame, (int)length);
				if (happens(duplicate)) hold(frame, (int)length, out, due + uniform() * MOST_EXTRA_MS);
				if (happens(reorder)) due += (0.1 + 0.9 * uniform()) * MOST_EXTRA_MS;
				hold(frame, (int)length, out, due);
			}
		}
	}
}
