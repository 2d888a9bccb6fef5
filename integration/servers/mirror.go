package servers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// keyring is what Debian signs its archive with, where the package debian-archive-keyring
// puts it.
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// mirror returns the address of Debian's main archive that apt uses on this machine.
func mirror(ctx context.Context) (string, error) {
	// apt knows an archive by what its index says of itself, once it has the index.
	list := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(REPO_URI)",
		"Created-By: Packages", "Origin: Debian", "Label: Debian", "Component: main")
	if out, err := run(list, nil); err == nil {
		if uris := strings.Fields(out); len(uris) > 0 {
			return uris[0], nil
		}
	}
	entries, err := readSources("/etc/apt")
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(entries, source.isDebian)
	if i < 0 {
		return "", errors.New("find a Debian mirror: none of main in the sources of apt (/etc/apt/sources.list.d)")
	}
	return entries[i].uri, nil
}

// source is an entry of apt's sources, of one address and suite.
type source struct {
	uri, suite string
	components []string
}

// isDebian guesses whether an archive is Debian's main one by its address and suite, for want
// of an index of it. Somebody else's would fail the check of signatures.
func (s source) isDebian() bool {
	name := path.Base(strings.TrimRight(s.uri, "/"))
	name = strings.TrimSuffix(name, path.Ext(name)) // a list of mirrors is a file, debian.list
	suites := []string{"bookworm", "trixie", "forky", "sid", "oldstable", "stable", "testing", "unstable"}
	return name == "debian" && slices.Contains(suites, s.suite) && slices.Contains(s.components, "main")
}

// readSources reads apt's sources in both forms that they may have.
func readSources(dir string) ([]source, error) {
	var entries []source
	for _, pattern := range []string{"sources.list", "sources.list.d/*.list", "sources.list.d/*.sources"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, fmt.Errorf("list sources of apt: %w", err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				return nil, fmt.Errorf("read sources of apt: %w", err)
			}
			if path.Ext(file) == ".list" {
				entries = append(entries, parseLines(string(text))...)
			} else {
				entries = append(entries, parseStanzas(string(text))...)
			}
		}
	}
	return entries, nil
}

// parseLines reads "deb [options] uri suite component...", one a line.
func parseLines(text string) []source {
	var entries []source
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "deb ")
		if !ok {
			continue
		}
		if rest = strings.TrimSpace(rest); strings.HasPrefix(rest, "[") {
			_, rest, _ = strings.Cut(rest, "]")
		}
		if fields := strings.Fields(rest); len(fields) >= 3 {
			entries = append(entries, source{fields[0], fields[1], fields[2:]})
		}
	}
	return entries
}

// parseStanzas reads stanzas of "Field: values", with an empty line between two.
func parseStanzas(text string) []source {
	var entries []source
	fields := map[string][]string{}
	flush := func() {
		if slices.Contains(fields["types"], "deb") && !slices.Contains(fields["enabled"], "no") {
			for _, uri := range fields["uris"] {
				for _, suite := range fields["suites"] {
					entries = append(entries, source{uri, suite, fields["components"]})
				}
			}
		}
		clear(fields)
	}
	last := ""
	for scanner := bufio.NewScanner(strings.NewReader(text)); scanner.Scan(); {
		line := scanner.Text()
		switch name, values, ok := strings.Cut(line, ":"); {
		case strings.TrimSpace(line) == "":
			flush()
		case strings.HasPrefix(line, "#"):
		case line[0] == ' ' || line[0] == '\t':
			fields[last] = append(fields[last], strings.Fields(line)...)
		case ok:
			last = strings.ToLower(name)
			fields[last] = strings.Fields(values)
		}
	}
	flush()
	return entries
}
