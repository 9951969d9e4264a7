/* Sends the frames of a capture again and again at a given rate, each IPv4 one with its identification counted up.
   blast INTERFACE CAPTURE RATE SECONDS WARM_UP; first WARM_UP seconds at 4,000 a second; prints what it sent after them. Compiled by the benchmark; only for virtual cables. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 64
struct frame { uint8_t *data; uint32_t size, ip; };

static double now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (double)at.tv_sec + (double)at.tv_nsec / 1e9;
}

static void count_up(struct frame *frame)
{
    if (!frame->ip) return;
    uint8_t *ip = frame->data + frame->ip;
    uint16_t ident = (uint16_t)(((ip[4] << 8) | ip[5]) + 1);
    ip[4] = (uint8_t)(ident >> 8), ip[5] = (uint8_t)ident, ip[10] = ip[11] = 0;
    uint32_t sum = 0;
    for (int n = 0; n < 20; n += 2) sum += (uint32_t)((ip[n] << 8) | ip[n + 1]);
    sum = (sum & 0xffff) + (sum >> 16), sum = (sum & 0xffff) + (sum >> 16);
    ip[10] = (uint8_t)(~sum >> 8), ip[11] = (uint8_t)~sum;
}

int main(int count, char **words)
{
    if (count != 6) return 2;
    FILE *file = fopen(words[2], "rb");
    if (!file || fseek(file, 24, SEEK_SET)) return perror(words[2]), 1;
    size_t room = 1024, frames = 0;
    struct frame *all = malloc(room * sizeof *all);
    uint32_t head[4];
    while (fread(head, 16, 1, file) == 1) {
        if (frames == room) all = realloc(all, (room *= 2) * sizeof *all);
        struct frame *one = &all[frames++];
        one->size = head[2], one->data = malloc(one->size);
        if (fread(one->data, one->size, 1, file) != 1) return 1;
        uint32_t at = 12;
        while (one->data[at] == 0x81) at += 4;
        one->ip = one->data[at] == 8 && !one->data[at + 1] ? at + 2 : 0;
    }
    if (!frames) return 1;
    int sock = socket(AF_PACKET, SOCK_RAW, 0);
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(words[1])};
    if (sock < 0 || bind(sock, (void *)&to, sizeof to)) return perror(words[1]), 1;
    double rate = 4000, seconds = atof(words[5]), begun = now();
    struct mmsghdr messages[BATCH];
    struct iovec parts[BATCH];
    memset(messages, 0, sizeof messages);
    unsigned long long sent = 0;
    size_t next = 0;
    for (int part = 0; part < 2; part++) {
        for (double at = begun; at - begun < seconds; at = now()) {
            if ((double)sent > (at - begun) * rate) {
                struct timespec nap = {0, 200000};
                nanosleep(&nap, 0);
                continue;
            }
            for (int n = 0; n < BATCH; n++, next = (next + 1) % frames) {
                count_up(&all[next]);
                parts[n] = (struct iovec){all[next].data, all[next].size};
                messages[n].msg_hdr.msg_iov = &parts[n], messages[n].msg_hdr.msg_iovlen = 1;
            }
            int done = sendmmsg(sock, messages, BATCH, 0);
            if (done > 0) sent += (unsigned long long)done;
        }
        if (part == 0) {
            struct timespec nap = {1, 0};
            nanosleep(&nap, 0);
            sent = 0, rate = atof(words[3]), seconds = atof(words[4]), begun = now();
        }
    }
    printf("%llu %.3f\n", sent, now() - begun);
    return 0;
}
