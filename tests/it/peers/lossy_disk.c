/* Stands between a program and the C library (LD_PRELOAD): tells what is made durable, refuses to do it while a file exists.
 *
 * DISK_LEDGER    one line is added for each success: "sync\t<path>\t<size before>" or "rename\t<from>\t<to>"
 * DISK_REFUSES   fsync and fdatasync fail with EIO while this file exists
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void note(const char *line, int length)
{
    const char *path = getenv("DISK_LEDGER");
    int ledger = path == NULL ? -1 : open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (ledger < 0)
        return;
    if (write(ledger, line, (size_t)length) != length)
        abort();
    close(ledger);
}

static int synced(int fd, const char *name)
{
    const char *refuses = getenv("DISK_REFUSES");
    if (refuses != NULL && access(refuses, F_OK) == 0) {
        errno = EIO;
        return -1;
    }
    char link[64], path[PATH_MAX], line[PATH_MAX + 64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    struct stat before;
    int known = length > 0 && fstat(fd, &before) == 0;
    int result = ((int (*)(int))dlsym(RTLD_NEXT, name))(fd);
    if (result == 0 && known) {
        path[length] = '\0';
        note(line, snprintf(line, sizeof line, "sync\t%s\t%lld\n", path, (long long)before.st_size));
    }
    return result;
}

int fsync(int fd) { return synced(fd, "fsync"); }

int fdatasync(int fd) { return synced(fd, "fdatasync"); }

int rename(const char *from, const char *to)
{
    char line[2 * PATH_MAX + 16];
    int result = ((int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename"))(from, to);
    if (result == 0)
        note(line, snprintf(line, sizeof line, "rename\t%s\t%s\n", from, to));
    return result;
}
