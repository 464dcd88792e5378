/* The faults that the folder of a fake device scripts: see the file of each device. */
#define MAX_ERRORS 16

/* How often each line of the file "errors" was for a call. Another file counts anew. */
struct counts { ino_t file; int calls[MAX_ERRORS]; };

static FILE *open_file(const char *folder, const char *name, const char *how) {
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return fopen(path, how);
}

static int fault(const char *folder, const char *name) {
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

static void wait_while(const char *folder, const char *name) {
    while (fault(folder, name)) usleep(20000);
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int error_number(const char *name) {
    static const struct { const char *name; int number; } known[] = {
        {"EPERM", EPERM}, {"EIO", EIO}, {"EACCES", EACCES}, {"EBUSY", EBUSY}, {"ENODEV", ENODEV}, {"ENOENT", ENOENT}, {"EINVAL", EINVAL},
        {"ENOSPC", ENOSPC}, {"EPIPE", EPIPE}, {"ERANGE", ERANGE}, {"EPROTO", EPROTO}, {"ESRCH", ESRCH}, {"ETIMEDOUT", ETIMEDOUT},
        {"ENOTTY", ENOTTY}, {"ENOMEM", ENOMEM}, {"EAGAIN", EAGAIN}, {"EINTR", EINTR}, {"ENXIO", ENXIO}, {"EILSEQ", EILSEQ}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) if (!strcmp(known[i].name, name)) return known[i].number;
    return EIO;
}

/* Returns the errno that the file "errors" has for this call, or 0, after the delay that it has. The second word of a
 * line says what the call has to be about: a queue, the id of a control, or * for anything. */
static int injected(const char *folder, struct counts *counts, const char *call, const char *queue, uint32_t id) {
    char line[200], name[32], about[32], what[32];
    struct stat status;
    FILE *file = open_file(folder, "errors", "r");
    int found = 0;
    if (file && !fstat(fileno(file), &status) && status.st_ino != counts->file) {
        memset(counts, 0, sizeof *counts);
        counts->file = status.st_ino;
    }
    for (int number = 0; file && number < MAX_ERRORS && fgets(line, sizeof line, file); number++) {
        int skip = 0, count = INT_MAX;
        if (sscanf(line, "%31s %31s %31s %d %d", name, about, what, &skip, &count) < 3 || strcmp(name, call)) continue;
        if (strcmp(about, "*") && strcmp(about, queue) && strtoul(about, NULL, 0) != id) continue;
        int call_number = __atomic_fetch_add(&counts->calls[number], 1, __ATOMIC_SEQ_CST);
        if (call_number < skip || call_number - skip >= count) continue;
        if (strstr(what, "ms")) usleep(atoi(what) * 1000);
        else found = error_number(what);
    }
    if (file) fclose(file);
    return found;
}
