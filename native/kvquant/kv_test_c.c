/* The header is plain C: this file is compiled as C and uses what a C program would use. Returns 0 when it works. */
#include <string.h>

#include "kvquant/infernode_kv.h"

int infernode_kv_test_from_c(void);

int infernode_kv_test_from_c(void) {
  static uint16_t cache[2 * 16 * 8 * 128], back[2 * 16 * 8 * 128];
  static _Alignas(64) uint8_t records[2 * 20000];
  const int32_t table[2] = {1, 0};
  infernode_kv_section section;
  infernode_kv_outcome outcome;
  infernode_kv_pool* pool = NULL;
  size_t bytes = 0, i;
  memset(&section, 0, sizeof section);
  for (i = 0; i < sizeof cache / 2; ++i) cache[i] = 0x3F80; /* 1.0 */
  section.page.tokens = 16, section.page.heads = 8, section.page.dim = 128;
  section.page.token_stride = 8 * 128, section.page.head_stride = 128;
  section.page_stride = 16 * 8 * 128, section.pages = 2, section.pages_per_record = 1;
  if (infernode_kv_parse_format("int8_head", &section.format) != INFERNODE_KV_OK) return 1;
  if (infernode_kv_section_record_bytes(&section, &bytes) != INFERNODE_KV_OK || bytes > 20000) return 2;
  if (infernode_kv_pool_create(2, &pool) != INFERNODE_KV_OK) return 3;
  if (infernode_kv_encode_paged(pool, INFERNODE_KV_SIMD, &section, cache, sizeof cache / 2, table, 2, records, sizeof records, NULL, &outcome) != INFERNODE_KV_OK) return 4;
  if (infernode_kv_decode_paged(pool, INFERNODE_KV_SIMD, &section, records, sizeof records, table, 2, back, sizeof back / 2, &outcome) != INFERNODE_KV_OK) return 5;
  infernode_kv_pool_destroy(pool);
  return memcmp(cache, back, sizeof cache) == 0 && outcome.nonfinite == 0 && outcome.bad_record == 2 ? 0 : 6;
}
