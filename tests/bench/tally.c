/* The least that a program must do: adverts per (VLAN, family, VRID, source), counted with libpcap.
   No checksum, no judgement. Compiled by the benchmark: cc -O2 tally.c -lpcap */
#include <pcap/pcap.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define SLOTS 65536
struct row { uint8_t used, family, vrid, source[16]; uint16_t vlan; uint64_t count, first, last; };
static struct row rows[SLOTS];

static void tally(u_char *user, const struct pcap_pkthdr *header, const u_char *frame)
{
    (void)user;
    uint32_t at = 12, size = header->caplen;
    uint16_t vlan = 0;
    while (at + 6 <= size && (frame[at] == 0x81 || frame[at] == 0x88 || frame[at] == 0x91) && frame[at + 1] != 0xdd) {
        vlan = (uint16_t)(((frame[at + 2] << 8) | frame[at + 3]) & 0xfff);
        at += 4;
    }
    uint8_t source[16] = {0}, family, vrid;
    if (at + 22 <= size && frame[at] == 8 && frame[at + 1] == 0 && frame[at + 11] == 112) {
        uint32_t payload = at + 2 + (frame[at + 2] & 15) * 4u;
        if (payload + 8 > size) return;
        family = 4, vrid = frame[payload + 1];
        memcpy(source, frame + at + 14, 4);
    } else if (at + 50 <= size && frame[at] == 0x86 && frame[at + 1] == 0xdd && frame[at + 8] == 112) {
        family = 6, vrid = frame[at + 43];
        memcpy(source, frame + at + 10, 16);
    } else return;
    uint32_t hash = 2166136261u;
    for (int n = 0; n < 16; n++) hash = (hash ^ source[n]) * 16777619u;
    hash = (hash ^ vrid ^ ((uint32_t)vlan << 8) ^ family) * 16777619u;
    for (uint32_t n = 0; n < SLOTS; n++) {
        struct row *row = &rows[(hash + n) % SLOTS];
        if (!row->used) {
            row->used = 1, row->family = family, row->vrid = vrid, row->vlan = vlan;
            memcpy(row->source, source, 16);
            row->first = (uint64_t)header->ts.tv_sec * 1000000u + (uint64_t)header->ts.tv_usec;
        } else if (row->family != family || row->vrid != vrid || row->vlan != vlan || memcmp(row->source, source, 16))
            continue;
        row->count++;
        row->last = (uint64_t)header->ts.tv_sec * 1000000u + (uint64_t)header->ts.tv_usec;
        return;
    }
}

int main(int count, char **words)
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *file = pcap_open_offline(count > 1 ? words[1] : "-", error);
    if (!file) { fprintf(stderr, "%s\n", error); return 1; }
    pcap_loop(file, -1, tally, 0);
    unsigned long long speakers = 0, adverts = 0;
    for (int n = 0; n < SLOTS; n++) speakers += rows[n].used, adverts += rows[n].count;
    printf("%llu speakers, %llu adverts\n", speakers, adverts);
    return 0;
}
