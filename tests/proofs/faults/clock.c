/* Preloaded: the time of day is off by the seconds that the file $FAULTS_CLOCK holds. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *now) {
    int done = (int)syscall(SYS_clock_gettime, clock, now);
    const char *path = getenv("FAULTS_CLOCK");
    if (done != 0 || clock != CLOCK_REALTIME || path == NULL)
        return done;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return done;
    char text[32] = {0};
    if (read(file, text, sizeof text - 1) > 0)
        now->tv_sec += atol(text);
    close(file);
    return done;
}
