package servers

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// What of Marmot is measured: the last that is a library of Go's.
const marmotModule, marmotVersion = "github.com/maxpert/marmot", "v0.8.7"

// Marmot is the replication of SQLite of that name. It is built from its sources, once on a
// machine, which takes a minute, Go and a C compiler.
func Marmot(ctx context.Context) (*Tool, error) {
	f, err := openFolder()
	if err == nil {
		var path string
		if path, err = f.buildMarmot(ctx); err == nil {
			return &Tool{path: path}, nil
		}
	}
	return nil, fmt.Errorf("find Marmot: %w", err)
}

// buildMarmot returns the path of the program.
func (f folder) buildMarmot(ctx context.Context) (string, error) {
	final := filepath.Join(f.programs(), "marmot-"+marmotVersion)
	program := filepath.Join(final, "marmot")
	return program, f.once(ctx, "marmot", final, func() error { return f.makeMarmot(ctx, final) })
}

// makeMarmot builds it into a folder. The lock is ours.
func (f folder) makeMarmot(ctx context.Context, final string) error {
	work := filepath.Join(f.programs(), "building")
	if err := os.RemoveAll(work); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	if err := os.MkdirAll(filepath.Join(work, "out"), 0o755); err != nil {
		return err
	}
	tool := func(args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, "go", args...)
		cmd.Dir = work
		cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off", "CGO_ENABLED=1")
		return run(cmd, nil)
	}
	if err := os.WriteFile(filepath.Join(work, "go.mod"), fmt.Appendf(nil, "module build\n\ngo 1.21\n\nrequire %s %s\n", marmotModule, marmotVersion), 0o644); err != nil {
		return err
	}
	said, err := tool("mod", "download", "-json", marmotModule+"@"+marmotVersion)
	if err != nil {
		return err
	}
	var module struct{ Dir string }
	if err := json.Unmarshal([]byte(said), &module); err != nil {
		return fmt.Errorf("read what go mod download says: %w", err)
	}
	sums, err := os.ReadFile(filepath.Join(module.Dir, "go.sum"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(work, "go.sum"), sums, 0o644); err != nil {
		return err
	}
	if _, err := tool("build", "-o", filepath.Join(work, "out", "marmot"), marmotModule); err != nil {
		return err
	}
	return os.Rename(filepath.Join(work, "out"), final)
}
