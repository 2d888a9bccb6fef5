package servers

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// bundle is a set of programs that Debian packages.
type bundle struct {
	name     string   // of its folder
	suite    string   // the suite of Debian that has the packages
	packages []string // what to fetch, with all that it depends on
	bin      string   // the folder of the programs, below the root of the packages
	programs []string // what has to be there, seen from bin
	without  []string // packages, as patterns, that it depends on and does well without
	with     []string // packages, as patterns, that it needs although no server does
}

// layout is raised when fetch or unpack do their work differently, so that what was fetched
// before is not used.
const layout = 1

// path returns the folder of the bundle's packages.
func (b bundle) path(f folder) string {
	made := sha256.Sum256(fmt.Appendf(nil, "%d {%q %q %q %q %q}%s", layout, b.name, b.suite, b.packages, b.bin, b.programs,
		strings.Join(slices.Concat(b.without, b.with), " ")))
	return filepath.Join(f.programs(), fmt.Sprintf("%s-%x", b.name, made[:4]))
}

// fetch returns the folder of the bundle's programs. Those that nobody fetched before are
// downloaded, once, however many test processes want them at the same time.
func (b bundle) fetch(ctx context.Context, f folder) (string, error) {
	final := b.path(f)
	return filepath.Join(final, b.bin), f.once(ctx, "fetch", final, func() error { return b.make(ctx, f, final) })
}

// once has make make a folder, unless it is there, however many test processes want it at the same
// time: they hold a lock of that name.
func (f folder) once(ctx context.Context, lock, final string, make func() error) error {
	if isFolder(final) {
		return nil
	}
	held, err := acquire(ctx, f.lock(lock))
	if err != nil {
		return err
	}
	defer held.release()
	if isFolder(final) {
		return nil
	}
	return make()
}

// make downloads the bundle and unpacks it. The lock is ours.
func (b bundle) make(ctx context.Context, f folder, final string) error {
	for _, program := range []string{"apt-get", "dpkg", "dpkg-deb"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Errorf("fetch %s: this machine has no %s (programs are fetched on Debian and its like only)", b.name, program)
		}
	}
	// What a killed process left half done is of no use.
	work := filepath.Join(f.programs(), "fetching")
	if err := os.RemoveAll(work); err != nil {
		return fmt.Errorf("remove half-done fetch: %w", err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	root := filepath.Join(work, "root")
	if err := makeReadable(root); err != nil {
		return fmt.Errorf("fetch %s: %w", b.name, err)
	}
	if err := b.download(ctx, work); err != nil {
		return fmt.Errorf("fetch %s: %w", b.name, err)
	}
	if err := b.unpack(ctx, filepath.Join(work, "archives"), root, final); err != nil {
		return fmt.Errorf("fetch %s: %w", b.name, err)
	}
	if err := os.Rename(root, final); err != nil {
		return fmt.Errorf("fetch %s: %w", b.name, err)
	}
	return nil
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// settings are for an apt that keeps all it knows in one folder and believes that nothing is
// installed, so that it downloads the packages with everything that they depend on, the C
// library too. Its proxies, keys and certificates stay the machine's.
const settings = `
Dir::State "%[1]s/state";
Dir::State::status "%[1]s/status";
Dir::Cache "%[1]s/cache";
Dir::Cache::archives "%[1]s/archives";
Dir::Log "%[1]s/log";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "%[1]s/sources";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
#clear APT::Architectures;
APT::Architecture "%[2]s";
APT::Architectures { "%[2]s"; };
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Keep-Downloaded-Packages "true";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "3";
#clear Acquire::IndexTargets::deb::DEP-11;
#clear Acquire::IndexTargets::deb::Contents-deb;
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Pre-Install-Pkgs;
#clear DPkg::Post-Invoke;
`

// download puts the packages into the folder archives below work.
func (b bundle) download(ctx context.Context, work string) error {
	for _, dir := range []string{"state/lists/partial", "cache", "archives/partial", "log", "sources"} {
		if err := os.MkdirAll(filepath.Join(work, dir), 0o755); err != nil {
			return err
		}
	}
	uri, err := mirror(ctx)
	if err != nil {
		return err
	}
	from := fmt.Sprintf("Types: deb\nURIs: %s\nSuites: %s\nComponents: main\n", uri, b.suite)
	if _, err := os.Stat(keyring); err == nil {
		from += "Signed-By: " + keyring + "\n"
	}
	arch, err := run(exec.CommandContext(ctx, "dpkg", "--print-architecture"), nil)
	if err != nil {
		return err
	}
	config := filepath.Join(work, "apt.conf")
	for file, text := range map[string]string{
		config:                        fmt.Sprintf(settings, work, strings.TrimSpace(arch)),
		filepath.Join(work, "status"): "",
		filepath.Join(work, "sources", "debian.sources"): from,
	} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			return err
		}
	}
	apt := func(args ...string) error {
		_, err := run(exec.CommandContext(ctx, "apt-get", append([]string{"-q", "-y", "-c", config}, args...)...), nil)
		return err
	}
	if err := apt("update", "-o", "APT::Update::Error-Mode=any"); err != nil {
		return fmt.Errorf("read index of Debian %s: %w", b.suite, err)
	}
	if err := apt(append([]string{"install", "--download-only"}, b.packages...)...); err != nil {
		return fmt.Errorf("download %s from Debian %s: %w", strings.Join(b.packages, " "), b.suite, err)
	}
	return nil
}
