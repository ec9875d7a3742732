// Puts a committed PTX file into the program, with the zero byte that the driver reads up to. `path` is from native/.
#pragma once

#define INFERNODE_EMBED_PTX(symbol, path)                                                                               \
  __asm__(".pushsection .rodata\n.balign 8\n" #symbol ":\n.incbin \"" path "\"\n.byte 0\n.popsection\n"); \
  extern "C" __attribute__((visibility("hidden"))) const char symbol[]
