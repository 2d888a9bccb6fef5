package servers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Tool is a program that tests run beside servers. It is fetched from Debian, once on a
// machine, whether or not the machine has it.
type Tool struct {
	root, path string
	// libraries are folders that the loader of the machine is told of.
	libraries []string
}

// Sysbench is the load generator of that name.
func Sysbench(ctx context.Context) (*Tool, error) { return fetchTool(ctx, "sysbench") }

// PGLoader copies databases into PostgreSQL. It looks for its Lisp in its own file, which it
// does not find when the dynamic loader is started in its place, so it is run as it is: by the
// loader of a machine with the same Debian.
func PGLoader(ctx context.Context) (*Tool, error) {
	t, err := fetchTool(ctx, "pgloader")
	if err == nil {
		t.path = filepath.Join(t.root, "usr/bin.elf/pgloader")
		t.libraries, _ = filepath.Glob(filepath.Join(t.root, "usr/lib/*-linux-gnu*"))
	}
	return t, err
}

func fetchTool(ctx context.Context, name string) (*Tool, error) {
	b := bundle{name: name, suite: "bookworm", packages: []string{name}, bin: "usr/bin", programs: []string{name}}
	f, err := openFolder()
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", name, err)
	}
	bin, err := b.fetch(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", name, err)
	}
	return &Tool{root: b.path(f), path: filepath.Join(bin, name)}, nil
}

// Share is the path of a file that came with the program, below its /usr/share.
func (t *Tool) Share(path string) string { return filepath.Join(t.root, "usr/share", path) }

// Command is the program with arguments.
func (t *Tool) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, t.path, args...)
	plugins, _ := filepath.Glob(filepath.Join(t.root, "usr/lib/*/libmariadb3/plugin")) // ways to log in
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "LUA_PATH="+t.Share("sysbench/?.lua"))
	if len(t.libraries) > 0 {
		cmd.Env = append(cmd.Env, "LD_LIBRARY_PATH="+strings.Join(t.libraries, ":"))
	}
	if len(plugins) > 0 {
		cmd.Env = append(cmd.Env, "MARIADB_PLUGIN_DIR="+plugins[0])
	}
	return cmd
}
