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
	// variables are what else its environment has to have.
	variables []string
}

// Sysbench is the load generator of that name.
func Sysbench(ctx context.Context) (*Tool, error) { return debian("sysbench").tool(ctx) }

// Strace has system calls of other programs fail.
func Strace(ctx context.Context) (*Tool, error) { return debian("strace").tool(ctx) }

// PGLoader copies databases into PostgreSQL. It looks for its Lisp in its own file, which it
// does not find when the dynamic loader is started in its place, so it is run as it is: by the
// loader of a machine with the same Debian.
func PGLoader(ctx context.Context) (*Tool, error) {
	t, err := debian("pgloader").tool(ctx)
	if err == nil {
		t.runAsIs("usr/bin.elf/pgloader", "usr/lib/*-linux-gnu*")
	}
	return t, err
}

// runAsIs has the program at path run by the loader of the machine, with the libraries in the
// folders that patterns mean; all of them are seen from the root.
func (t *Tool) runAsIs(path string, patterns ...string) {
	t.path = filepath.Join(t.root, path)
	for _, pattern := range patterns {
		found, _ := filepath.Glob(filepath.Join(t.root, pattern)) // the patterns are well-formed
		t.libraries = append(t.libraries, found...)
	}
}

// debian is the program of that name in the package of that name.
func debian(name string) bundle {
	return bundle{name: name, suite: "bookworm", packages: []string{name}, bin: "usr/bin", programs: []string{name}}
}

// tool fetches the bundle, which is one program.
func (b bundle) tool(ctx context.Context) (*Tool, error) {
	f, err := openFolder()
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", b.name, err)
	}
	bin, err := b.fetch(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("find %s: %w", b.name, err)
	}
	return &Tool{root: b.path(f), path: filepath.Join(bin, b.name)}, nil
}

// Share is the path of a file that came with the program, below its /usr/share.
func (t *Tool) Share(path string) string { return filepath.Join(t.root, "usr/share", path) }

// Command is the program with arguments.
func (t *Tool) Command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, t.path, args...)
	plugins, _ := filepath.Glob(filepath.Join(t.root, "usr/lib/*/libmariadb3/plugin")) // ways to log in
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "LUA_PATH="+t.Share("sysbench/?.lua"))
	cmd.Env = append(cmd.Env, t.variables...)
	if len(t.libraries) > 0 {
		cmd.Env = append(cmd.Env, "LD_LIBRARY_PATH="+strings.Join(t.libraries, ":"))
	}
	if len(plugins) > 0 {
		cmd.Env = append(cmd.Env, "MARIADB_PLUGIN_DIR="+plugins[0])
	}
	return cmd
}

const prometheusVariable = "CDCSYNC_TEST_PROMETHEUS"

// Promtool checks rules of Prometheus, and tries them on series.
func Promtool(ctx context.Context) (*Tool, error) { return prometheus(ctx, "promtool") }

// Prometheus is the server that Promtool comes with.
func Prometheus(ctx context.Context) (*Tool, error) { return prometheus(ctx, "prometheus") }

func prometheus(ctx context.Context, program string) (*Tool, error) {
	if dir := os.Getenv(prometheusVariable); dir != "" {
		return &Tool{path: filepath.Join(dir, program)}, nil
	}
	b := debian("promtool")
	b.packages = []string{"prometheus"}
	b.without = []string{"libjs-*", "fonts-*"} // its pages
	t, err := b.tool(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w\ninstall Prometheus, and set %s to the folder of its programs", err, prometheusVariable)
	}
	t.path = filepath.Join(filepath.Dir(t.path), program)
	return t, nil
}
