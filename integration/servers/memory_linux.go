package servers

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// removeMemory removes the piece of shared memory that a killed PostgreSQL leaves in the
// kernel for the next one that starts on its data directory, because there will be none.
func removeMemory(data string) error {
	b, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return nil // it was not killed
	}
	lines := strings.Split(string(b), "\n")
	if len(lines) < 7 {
		return nil
	}
	noted := strings.Fields(lines[6]) // key and number
	table, err := os.Open("/proc/sysvipc/shm")
	if err != nil || len(noted) != 2 {
		return nil // nothing of the kind here
	}
	defer func() { _ = table.Close() }()
	for scanner := bufio.NewScanner(table); scanner.Scan(); {
		// Key, number, permissions, size, who made it, who used it last, how many use it.
		f := strings.Fields(scanner.Text())
		if len(f) < 7 || f[1] != noted[1] || f[4] != strings.TrimSpace(lines[0]) || f[6] != "0" {
			continue
		}
		if _, err := run(exec.Command("ipcrm", "-m", f[1]), nil); err != nil {
			return fmt.Errorf("remove shared memory of a killed server: %w", err)
		}
	}
	return nil
}
