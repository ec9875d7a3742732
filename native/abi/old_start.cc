// For programs, beside old_libc.cc: the start-up code of glibc 2.34 calls a `__libc_start_main` that older systems lack. This one
// stands in front of it and calls the old version, which wants to be given the constructors' call.
#include <features.h>

#if defined(__GLIBC__) && (defined(__x86_64__) || defined(__aarch64__))

#if defined(__x86_64__)
#define FIRST_GLIBC "GLIBC_2.2.5"
#else
#define FIRST_GLIBC "GLIBC_2.17"
#endif

extern "C" {

using Main = int (*)(int, char**, char**);
using Step = void (*)(int, char**, char**);
extern Step __init_array_start[] __attribute__((visibility("hidden")));
extern Step __init_array_end[] __attribute__((visibility("hidden")));
void _init();

static void RunConstructors(int argc, char** argv, char** environment) {
  _init();
  for (Step* step = __init_array_start; step != __init_array_end; ++step) (*step)(argc, argv, environment);
}

int OldStartMain(Main main, int argc, char** argv, Step constructors, void (*destructors)(), void (*linker)(), void* stack);
__asm__(".symver OldStartMain,__libc_start_main@" FIRST_GLIBC);

// Destructors are the dynamic linker's (`linker`) in a dynamic program; the start-up code before 2.34 passes none either.
__attribute__((visibility("hidden"), used)) int __libc_start_main(Main main, int argc, char** argv, Step, void (*)(),
                                                                  void (*linker)(), void* stack) {
  return OldStartMain(main, argc, argv, RunConstructors, nullptr, linker, stack);
}
}

#endif
