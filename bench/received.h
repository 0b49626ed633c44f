/*
 * What has come since the last reset: messages, their bytes, and the latency of those that carry "at_ns".
 *
 * A header and no program of its own, so that counting is compiled into the loop that reads. It needs _GNU_SOURCE.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SAMPLES = 4 << 20 };

static uint32_t *samples;
static uint64_t sampled, messages, message_bytes, first_ns, last_ns;

static void prepare_counting(void) { samples = malloc(MAX_SAMPLES * sizeof *samples); }

static void forget_received(void) { messages = message_bytes = sampled = first_ns = last_ns = 0; }

static void sample(const uint8_t *payload, size_t length, uint64_t now_ns) {
    const uint8_t *end = payload + length, *at = memmem(payload, length, "at_ns", 5);
    if (at == NULL || sampled == MAX_SAMPLES) return;
    while (at < end && (*at < '0' || *at > '9')) at++;
    uint64_t sent_ns = 0;
    while (at < end && *at >= '0' && *at <= '9') sent_ns = sent_ns * 10 + (uint64_t)(*at++ - '0');
    samples[sampled++] = (uint32_t)((now_ns - sent_ns) / 1000);
}

static void count_message(const uint8_t *payload, size_t length, uint64_t now_ns) {
    if (messages++ == 0) first_ns = now_ns;
    message_bytes += length;
    last_ns = now_ns;
    sample(payload, length, now_ns);
}

/* From the first message to the last. */
static double receiving_seconds(void) { return (double)(last_ns - first_ns) / 1e9; }

static int by_size(const void *one, const void *other) {
    uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
    return (a > b) - (a < b);
}

static uint32_t percentile(double share) {
    return sampled ? samples[(uint64_t)((double)(sampled - 1) * share)] : 0;
}

static void report(void) {
    qsort(samples, sampled, sizeof *samples, by_size);
    printf("{\"messages\":%lu,\"bytes\":%lu,\"seconds\":%.6f,\"samples\":%lu,\"p50_us\":%u,\"p99_us\":%u,\"p999_us\":%u,\"max_us\":%u}\n",
        messages, message_bytes, receiving_seconds(), sampled, percentile(0.5), percentile(0.99), percentile(0.999), percentile(1));
}
