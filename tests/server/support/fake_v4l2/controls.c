/* The controls: VIDIOC_QUERY_EXT_CTRL, QUERYMENU, G_CTRL and S_CTRL. */
static struct control *find_control(struct handle *device, uint32_t id, int next) {
    struct control *found = NULL;
    for (int i = 0; i < device->device->control_count; i++) {
        struct control *each = &device->device->controls[i];
        if (!next && each->id == id) return each;
        if (next && each->id > id && (!found || each->id < found->id)) found = each;
    }
    return found;
}

static int query_control(struct handle *device, struct v4l2_query_ext_ctrl *query) {
    const uint32_t flags = V4L2_CTRL_FLAG_NEXT_CTRL | V4L2_CTRL_FLAG_NEXT_COMPOUND;
    const struct control *control = find_control(device, query->id & ~flags, (query->id & flags) != 0);
    if (!control) return fail(EINVAL);
    int error = injected(device->folder, &device->device->errors, "QUERY_EXT_CTRL", "", control->id);
    if (error) return fail(error);
    memset(query, 0, sizeof *query);
    query->id = control->id;
    query->type = control->type;
    query->flags = control->flags;
    strcpy(query->name, control->name);
    query->minimum = control->minimum;
    query->maximum = control->maximum;
    query->step = control->step;
    query->default_value = control->initial;
    query->elem_size = 4;
    query->elems = 1;
    return 0;
}

static int query_menu(struct handle *device, struct v4l2_querymenu *menu) {
    for (int i = 0; i < device->menu_count; i++) {
        const struct menu *each = &device->menus[i];
        if (each->id != menu->id || each->index != menu->index) continue;
        const struct control *control = find_control(device, menu->id, 0);
        if (control && control->type == V4L2_CTRL_TYPE_INTEGER_MENU) menu->value = atoll(each->entry);
        else strcpy((char *)menu->name, each->entry);
        return 0;
    }
    return fail(EINVAL);
}

static void note_call(struct handle *device, const char *call, uint32_t id) {
    FILE *file = open_file(device->folder, "calls", "a");
    if (file) { fprintf(file, "%s 0x%08x\n", call, id); fclose(file); }
}

static int get_control(struct handle *device, struct v4l2_control *request) {
    const struct control *control = find_control(device, request->id, 0);
    if (!control) return fail(EINVAL);
    if (control->flags & V4L2_CTRL_FLAG_WRITE_ONLY) return fail(EACCES);
    request->value = control->value;
    return 0;
}

static int set_control(struct handle *device, const struct v4l2_control *request) {
    struct control *control = find_control(device, request->id, 0);
    if (!control) return fail(EINVAL);
    if (control->flags & V4L2_CTRL_FLAG_READ_ONLY) return fail(EACCES);
    for (int i = 0; i < device->locked_count; i++) {
        const struct control *other = find_control(device, device->locked[i].other, 0);
        if (device->locked[i].id == control->id && other && other->value == device->locked[i].value) return fail(device->locked[i].error);
    }
    if (request->value < control->minimum || request->value > control->maximum) return fail(ERANGE);
    control->value = request->value;
    FILE *file = open_file(device->folder, "set", "a");
    if (file) { fprintf(file, "%s %d\n", control->name, request->value); fclose(file); }
    return 0;
}
