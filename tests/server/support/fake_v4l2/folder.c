/* What the folder of a device says: its modes, frames and controls. */
static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* An interval "NUMERATOR/DENOMINATOR" is told as it is; without sense, the frames come at 30 fps. */
static void load_interval(struct mode *mode, const char *text) {
    if (sscanf(text, "%u/%u", &mode->numerator, &mode->denominator) < 2) {
        mode->numerator = 1;
        mode->denominator = atoi(text);
    }
    double fps = mode->numerator && mode->denominator ? (double)mode->denominator / mode->numerator : 30;
    mode->fps = fps < 0.01 || fps > 1000 ? 30 : fps < 1 ? 1 : fps + 0.5;
}

static void load_modes(struct handle *device) {
    char line[200], fourcc[5], interval[32];
    FILE *file = open_file(device->folder, "modes", "r");
    while (file && device->mode_count < MAX_MODES && fgets(line, sizeof line, file)) {
        struct mode mode = {0};
        if (sscanf(line, "%4c %d %d %31s %d", fourcc, &mode.width, &mode.height, interval, &mode.bytesperline) < 4) continue;
        load_interval(&mode, interval);
        mode.fourcc = v4l2_fourcc(fourcc[0], fourcc[1], fourcc[2], fourcc[3]);
        device->modes[device->mode_count++] = mode;
    }
    if (file) fclose(file);
}

/* Reads the menus for each descriptor, and the controls into the shared state when that is new. */
static void load_controls(struct handle *device, int fresh) {
    char line[300];
    FILE *file = open_file(device->folder, "controls", "r");
    while (file && fgets(line, sizeof line, file)) {
        struct control control = {0};
        struct menu menu = {0};
        struct locked locked = {0};
        char error[32];
        line[strcspn(line, "\n")] = 0;
        if (sscanf(line, "control %i %i %i %d %d %d %d %d %32[^\n]", (int *)&control.id, (int *)&control.type, (int *)&control.flags,
                   &control.minimum, &control.maximum, &control.step, &control.initial, &control.value, control.name) >= 8) {
            if (fresh && device->device->control_count < MAX_CONTROLS) device->device->controls[device->device->control_count++] = control;
        } else if (sscanf(line, "menu %i %i %32[^\n]", (int *)&menu.id, (int *)&menu.index, menu.entry) >= 2) {
            if (device->menu_count < MAX_MENU) device->menus[device->menu_count++] = menu;
        } else if (sscanf(line, "locked %i %i %d %31s", (int *)&locked.id, (int *)&locked.other, &locked.value, error) == 4) {
            locked.error = error_number(error);
            device->locked[device->locked_count++] = locked;
        }
    }
    if (file) fclose(file);
}

static void load_frames(struct handle *device) {
    char path[PATH_MAX + 300], *names[MAX_FRAMES];
    int count = 0;
    snprintf(path, sizeof path, "%s/frames", device->folder);
    DIR *folder = opendir(path);
    struct dirent *entry;
    while (folder && count < MAX_FRAMES && (entry = readdir(folder)))
        if (entry->d_name[0] != '.') names[count++] = strdup(entry->d_name);
    if (folder) closedir(folder);
    qsort(names, count, sizeof *names, by_name);
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/frames/%s", device->folder, names[i]);
        FILE *file = fopen(path, "rb");
        char *data = malloc(BUFFER_BYTES);
        size_t length = fread(data, 1, BUFFER_BYTES, file);
        char *stamp = memmem(data, length, STAMP, strlen(STAMP));
        int whole = stamp && stamp + strlen(STAMP) + STAMP_DIGITS <= data + length;
        const char *mode = strchr(names[i], '@');
        device->widths[device->frame_count] = mode ? atoi(mode + 1) : 0;
        device->stamps[device->frame_count] = whole ? stamp + strlen(STAMP) : NULL;
        device->lengths[device->frame_count] = length;
        device->frames[device->frame_count++] = data;
        fclose(file);
        free(names[i]);
    }
}
