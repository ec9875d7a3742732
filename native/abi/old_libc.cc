// Lets one build run wherever Node 20 runs (glibc 2.28, libstdc++ of GCC 8) although it was linked on a newer system: each symbol
// whose default version is newer is bound to its old version, or defined here, hidden, in front of the library's. Linked into
// every target that is shipped, not into sanitizer builds, whose interceptors stand in the same place.
// What a file still needs is checked when it is packed (scripts/prepack.cjs).
#include <features.h>

#if defined(__GLIBC__) && (defined(__x86_64__) || defined(__aarch64__))

#include <cerrno>
#include <ctime>
#include <new>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define FIRST_GLIBC "GLIBC_2.2.5"
#else
#define FIRST_GLIBC "GLIBC_2.17"
#endif
#define BIND_OLD(alias, symbol, version) __asm__(".symver " #alias "," symbol "@" version)
#define HERE __attribute__((visibility("hidden"), used))

// The headers' own declarations differ in attributes only; they are left out so that these need not repeat them.
extern "C" {

// libdl became part of libc in 2.34, which gave its symbols that version. (A program also names libdl.so.2 as needed: CMakeLists.txt.)
void* OldDlopen(const char* file, int mode);
void* OldDlsym(void* library, const char* name);
int OldDlclose(void* library);
char* OldDlerror();
int OldDladdr(const void* address, void* info);
BIND_OLD(OldDlopen, "dlopen", FIRST_GLIBC);
BIND_OLD(OldDlsym, "dlsym", FIRST_GLIBC);
BIND_OLD(OldDlclose, "dlclose", FIRST_GLIBC);
BIND_OLD(OldDlerror, "dlerror", FIRST_GLIBC);
BIND_OLD(OldDladdr, "dladdr", FIRST_GLIBC);

HERE void* dlopen(const char* file, int mode) { return OldDlopen(file, mode); }
HERE void* dlsym(void* library, const char* name) { return OldDlsym(library, name); }
HERE int dlclose(void* library) { return OldDlclose(library); }
HERE char* dlerror() { return OldDlerror(); }
HERE int dladdr(const void* address, void* info) { return OldDladdr(address, info); }

// Functions since 2.33; inline around __xstat before. The kernel's struct stat is glibc's on both architectures.
HERE int stat(const char* path, void* out) { return static_cast<int>(syscall(SYS_newfstatat, -100 /* AT_FDCWD */, path, out, 0)); }
HERE int fstat(int fd, void* out) { return static_cast<int>(syscall(SYS_fstat, fd, out)); }

// Since 2.32. Read by libstdc++'s reference counts; "several threads" is always safe.
HERE char __libc_single_threaded = 0;

// Since 2.30: a wait on the monotonic clock. Before, the real-time clock in slices, so that a jump of it costs one slice; a slice
// that ends early is a spurious wake-up, which every caller expects.
int pthread_cond_timedwait(void* condition, void* mutex, const struct timespec* until);
HERE int pthread_cond_clockwait(void* condition, void* mutex, clockid_t clock, const struct timespec* until) {
  using ClockWait = int (*)(void*, void*, clockid_t, const struct timespec*);
  static const auto own = reinterpret_cast<ClockWait>(OldDlsym(reinterpret_cast<void*>(-1) /* RTLD_NEXT */, "pthread_cond_clockwait"));
  if (own) return own(condition, mutex, clock, until);
  constexpr long long second = 1'000'000'000;
  timespec now, end;
  clock_gettime(clock, &now);
  const long long left = (until->tv_sec - now.tv_sec) * second + (until->tv_nsec - now.tv_nsec);
  if (left <= 0) return ETIMEDOUT;
  clock_gettime(CLOCK_REALTIME, &end);
  const long long slice = end.tv_nsec + (left < second ? left : second);
  end.tv_sec += slice / second;
  end.tv_nsec = slice % second;
  const int result = pthread_cond_timedwait(condition, mutex, &end);
  return result == ETIMEDOUT && left > second ? 0 : result;
}

// libstdc++: GLIBCXX_3.4.29 and .30, CXXABI_1.3.13. The first is what the headers throw by; the second got a new version only;
// the counts of std::exception_ptr were private: its old copy constructor counts up, its old destructor down.
HERE [[noreturn]] void ThrowBadArrayNewLength() __asm__("_ZSt28__throw_bad_array_new_lengthv");
void ThrowBadArrayNewLength() { throw std::bad_array_new_length(); }

void OldConditionWait(void* condition, void* lock);
BIND_OLD(OldConditionWait, "_ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE", "GLIBCXX_3.4.11");
HERE void ConditionWait(void* condition, void* lock) __asm__("_ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE");
void ConditionWait(void* condition, void* lock) { OldConditionWait(condition, lock); }

void OldCopyException(void* copy, const void* from) __asm__("_ZNSt15__exception_ptr13exception_ptrC1ERKS0_");
void OldEndException(void* pointer) __asm__("_ZNSt15__exception_ptr13exception_ptrD1Ev");
HERE void AddReference(void* pointer) __asm__("_ZNSt15__exception_ptr13exception_ptr9_M_addrefEv");
HERE void Release(void* pointer) __asm__("_ZNSt15__exception_ptr13exception_ptr10_M_releaseEv");
void AddReference(void* pointer) {
  void* copy;  // never ended: what is wanted is the count
  OldCopyException(&copy, pointer);
}
void Release(void* pointer) {
  OldEndException(pointer);
  *static_cast<void**>(pointer) = nullptr;
}
}

#endif
