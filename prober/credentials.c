/* SPDX-License-Identifier: Apache-2.0 */
#include "prober/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "prober/secret.h"

struct Credentials {
        int directory; /* -1: there is none */
        bool strict;   /* we, not systemd, answer for who may read the files */
};

int credentials_open(const char *directory, Credentials **ret) {
        _cleanup_(credentials_closep) Credentials *c = calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;

        c->strict = directory;
        if (!directory)
                directory = getenv("CREDENTIALS_DIRECTORY");
        c->directory = directory ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        if (directory && c->directory < 0)
                return -errno;
        *ret = TAKE(c);
        return 0;
}

Credentials *credentials_close(Credentials *c) {
        if (!c)
                return NULL;
        closep(&c->directory);
        free(c);
        return NULL;
}

int credential_name_is_valid(const char *name) {
        size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.");
        return n > 0 && n <= CREDENTIAL_NAME_MAX && !name[n] && name[0] != '.';
}

static int check_file(const Credentials *c, int fd, const char **ret_why) {
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return *ret_why = "it is not a regular file", -EBADF;
        /* systemd lets a service read its credentials by an access control list, which shows up in the group's bits. */
        if (c->strict && (st.st_mode & 077))
                return *ret_why = "group or others may read or write it; make its mode 0600", -EPERM;
        if (c->strict && st.st_uid != 0 && st.st_uid != geteuid())
                return *ret_why = "it belongs to another user; make it root's or the prober's", -EPERM;
        if (st.st_size > CREDENTIAL_SIZE_MAX)
                return *ret_why = "it is longer than 8192 bytes", -EFBIG;
        return 0;
}

/* Fills buffer up to size; a file may have grown since it was looked at. */
static ssize_t read_whole(int fd, char *buffer, size_t size) {
        size_t n = 0;

        while (n < size) {
                ssize_t k = read(fd, buffer + n, size - n);
                if (k < 0 && errno == EINTR)
                        continue;
                if (k < 0)
                        return -errno;
                if (k == 0)
                        break;
                n += (size_t) k;
        }
        return (ssize_t) n;
}

static int check_secret(const char *secret, size_t n, const char **ret_why) {
        if (n == 0)
                return *ret_why = "it is empty", -ENODATA;
        for (size_t i = 0; i < n; i++)
                if ((unsigned char) secret[i] < ' ' || secret[i] == 0x7f)
                        return *ret_why = "it holds control characters, such as a second line", -EBADMSG;
        return 0;
}

int credentials_read(const Credentials *c, const char *name, char **ret, const char **ret_why) {
        _cleanup_(secret_freep) char *secret = NULL;
        _cleanup_close_ int fd = -1;
        int k;

        *ret_why = "it cannot be read";
        if (!credential_name_is_valid(name))
                return *ret_why = "its name is not one of letters, digits, _ - and .", -EINVAL;
        if (c->directory < 0)
                return *ret_why = "no credentials were given to the prober", -ENOENT;
        fd = openat(c->directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
        if (fd < 0) {
                if (errno == ENOENT)
                        *ret_why = "there is no such file";
                else if (errno == ELOOP)
                        *ret_why = "it is a symbolic link";
                else if (errno == EACCES)
                        *ret_why = "the prober may not read it";
                return -errno;
        }
        k = check_file(c, fd, ret_why);
        if (k < 0)
                return k;

        secret = malloc(CREDENTIAL_SIZE_MAX + 2);
        if (!secret)
                return -ENOMEM;
        ssize_t n = read_whole(fd, secret, CREDENTIAL_SIZE_MAX + 1);
        if (n < 0)
                return (int) n;
        if (n > CREDENTIAL_SIZE_MAX)
                return *ret_why = "it is longer than 8192 bytes", -EFBIG;
        if (n > 0 && secret[n - 1] == '\n') /* as editors and echo leave it */
                n--;
        secret[n] = 0;
        k = check_secret(secret, (size_t) n, ret_why);
        if (k < 0)
                return k;
        *ret = TAKE(secret);
        return 0;
}
