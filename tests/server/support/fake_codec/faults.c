/* The faults that the folder scripts, and the log of what was called. */
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

/* Returns whether a fault is active that lasts from one picture of a descriptor to another: "FIRST [LAST]". */
static int fault_at(const struct codec *codec, const char *name) {
    unsigned first = 0, last = UINT_MAX;
    FILE *file = open_file(codec->folder, name, "r");
    if (!file) return 0;
    int ignored = fscanf(file, "%u %u", &first, &last);
    (void)ignored;
    fclose(file);
    return codec->pictures >= first && codec->pictures <= last;
}

static int error_number(const char *name) {
    static const struct { const char *name; int number; } known[] = {
        {"EACCES", EACCES}, {"EBUSY", EBUSY}, {"EINTR", EINTR}, {"EINVAL", EINVAL}, {"EIO", EIO}, {"ENODEV", ENODEV}, {"ENOENT", ENOENT},
        {"ENOMEM", ENOMEM}, {"ENXIO", ENXIO}, {"EPIPE", EPIPE}, {"ESRCH", ESRCH}, {"ETIMEDOUT", ETIMEDOUT}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) if (!strcmp(known[i].name, name)) return known[i].number;
    return EIO;
}

/* Returns the errno that the file "errors" has for this call, or 0, after the delay that it has. */
static int injected(const char *folder, const char *call, const char *queue) {
    static int calls[MAX_ERRORS];
    static ino_t counted;
    struct stat status;
    char line[200], name[32], which[32], what[32];
    FILE *file = open_file(folder, "errors", "r");
    int found = 0;
    /* Another file counts anew. */
    if (file && !fstat(fileno(file), &status) && status.st_ino != counted) { counted = status.st_ino; memset(calls, 0, sizeof calls); }
    for (int number = 0; file && number < MAX_ERRORS && fgets(line, sizeof line, file); number++) {
        int skip = 0, count = INT_MAX;
        if (sscanf(line, "%31s %31s %31s %d %d", name, which, what, &skip, &count) < 3 || strcmp(name, call)) continue;
        if (strcmp(which, "*") && strcmp(which, queue)) continue;
        int call_number = __atomic_fetch_add(&calls[number], 1, __ATOMIC_SEQ_CST);
        if (call_number < skip || call_number - skip >= count) continue;
        if (strstr(what, "ms")) usleep(atoi(what) * 1000);
        else found = error_number(what);
    }
    if (file) fclose(file);
    return found;
}

static void note(const struct codec *codec, const char *format, ...) {
    FILE *file = open_file(codec->folder, "log", "a");
    if (!file) return;
    va_list rest;
    va_start(rest, format);
    vfprintf(file, format, rest);
    va_end(rest);
    fputc('\n', file);
    fclose(file);
}
