package servers

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Tool is a program that tests run beside servers. It is fetched from Debian, once on a
// machine, whether or not the machine has it.
type Tool struct{ root, path string }

// Sysbench is the load generator of that name.
func Sysbench(ctx context.Context) (*Tool, error) { return fetchTool(ctx, "sysbench") }

// PGLoader copies databases into PostgreSQL.
func PGLoader(ctx context.Context) (*Tool, error) { return fetchTool(ctx, "pgloader") }

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
	if len(plugins) > 0 {
		cmd.Env = append(cmd.Env, "MARIADB_PLUGIN_DIR="+plugins[0])
	}
	return cmd
}
