/* See fs_script.h. */
#include "fs_fixture.h"

#include "fs_script.h"

static struct file *held; /* open across operations; released at the end of each try */

int fs_write_at(const char *path, int flags, uint64_t offset, size_t n, uint8_t byte)
{
    static uint8_t data[200000];
    struct file *file;
    int error = fs_open(NULL, path, flags | O_WRONLY, 0644, &file);
    if (error)
        return error;
    memset(data, byte, n);
    struct uio uio = host_uio(data, n);
    file->ops->seek(file, (int64_t)offset, SEEK_SET);
    ssize_t moved = file->ops->write(file, &uio);
    file_release(file);
    return moved < 0 ? (int)moved : (size_t)moved < n ? -EIO : 0;
}

static int op_mkdir(void) { return fs_mkdir(NULL, "/d", 0755); }
static int op_create(void) { return fs_write_at("/d/a", O_CREAT, 0, 0, 0); }
static int op_write(void) { return fs_write_at("/d/a", 0, 0, 30000, 'w'); }
static int op_append(void) { return fs_write_at("/d/a", O_APPEND, 0, 3000, 'a'); }
static int op_overwrite(void) { return fs_write_at("/d/a", 0, 5000, 9000, 'o'); }
static int op_link(void) { return fs_link(NULL, "/d/a", "/b"); }
static int op_mkdir_inner(void) { return fs_mkdir(NULL, "/d/e", 0755); }
static int op_mknod(void) { return fs_mknod(NULL, "/d/n", S_IFCHR | 0600, 0x501); }
static int op_unlink_link(void) { return fs_unlink(NULL, "/b"); }
static int op_write_large(void) { return fs_write_at("/large", O_CREAT, 0, 200000, FS_LARGE_BYTE); }
static int op_truncate(void) { return fs_write_at("/d/a", O_TRUNC, 0, 0, 0); }
static int op_truncate_large(void) { return fs_write_at("/large", O_TRUNC, 0, 0, 0); }
static int op_rmdir(void) { return fs_unlink(NULL, "/d/e"); }
static int op_unlink_large(void) { return fs_unlink(NULL, "/large"); }

static int op_unlink_open(void)
{
    int error = held ? -EBUSY : fs_open(NULL, "/large", O_RDONLY, 0, &held);
    return error ? error : fs_unlink(NULL, "/large");
}

static int op_close_last(void)
{
    if (held)
        file_release(held);
    held = NULL;
    return 0;
}

const struct fs_operation fs_script[FS_SCRIPT_LENGTH] = {
    {op_mkdir, true},           {op_create, true},       {op_write, true},        {op_append, true},
    {op_overwrite, true},       {op_link, true},         {op_mkdir_inner, true},  {op_mknod, true},
    {op_unlink_link, true},     {op_write_large, false}, {op_truncate, true},     {op_rmdir, true},
    {op_truncate_large, false}, {op_write_large, false}, {op_unlink_open, true},  {op_create, true},
    {op_close_last, true},      {op_write_large, false}, {op_unlink_large, true},
};

size_t fs_script_run(void)
{
    size_t done = 0;
    while (done < FS_SCRIPT_LENGTH && fs_script[done].run() == 0)
        done++;
    op_close_last();
    return done;
}

void fs_script_run_all(void)
{
    for (size_t i = 0; i < FS_SCRIPT_LENGTH; i++)
        fs_script[i].run();
    op_close_last();
}
