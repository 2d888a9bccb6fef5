package configs

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/integration/certificates"
)

const adminStores = twoStores + `
link "l" {
  left  = store.a
  right = store.b
  tables { include = ["t"] }
}
`

// writePair writes a certificate and its key to name.pem and name.key in dir.
func writePair(t *testing.T, dir, name string) {
	t.Helper()
	if _, err := certificates.Issue(nil, dir, name, "localhost"); err != nil {
		t.Fatal(err)
	}
}

// An address that others can reach is taken with TLS and both tokens; paths start at the file.
func TestAdminForOthers(t *testing.T) {
	dir := t.TempDir()
	writePair(t, dir, "server")
	writePair(t, dir, "other")
	t.Setenv("CDCSYNC_TEST_SECRET", canary)
	const block = `
admin {
  listen        = %q
  hosts         = ["Sync.Example.org"]
  read_token    = "${env("CDCSYNC_TEST_SECRET")}-for-reading"
  operate_token = "${env("CDCSYNC_TEST_SECRET")}-for-operating"
  tls {
    cert        = "server.pem"
    key         = %q
    client_ca   = "other.pem"
    client_cert = "other.pem"
    client_key  = "other.key"
  }
}
`
	file := filepath.Join(dir, "shop.hcl")
	for _, listen := range []string{":8480", "0.0.0.0:8480", "[::]:8480", "sync.example.org:8480", "127.0.0.1:8480"} {
		c, diags := Parse(file, fmt.Appendf(nil, adminStores+block, listen, "server.key"))
		if len(diags) > 0 {
			t.Fatalf("%s: %s", listen, render(t, c, diags))
		}
		noCanary(t, c, diags, fmt.Sprintf("%v %+v %#v", c.Admin, *c.Admin, *c.Admin))
		want := TLS{
			Cert: filepath.Join(dir, "server.pem"), Key: filepath.Join(dir, "server.key"), ClientCA: filepath.Join(dir, "other.pem"),
			ClientCert: filepath.Join(dir, "other.pem"), ClientKey: filepath.Join(dir, "other.key"),
		}
		if a := c.Admin; a.Listen != listen || *a.TLS != want || !slices.Equal(a.Hosts, []string{"sync.example.org"}) ||
			a.ReadToken.Reveal() != canary+"-for-reading" || a.OperateToken.Reveal() != canary+"-for-operating" {
			t.Errorf("%s: %+v %+v", listen, a, a.TLS)
		}
	}
	c, diags := Parse(file, fmt.Appendf(nil, adminStores+block, ":8480", "other.key"))
	if text := render(t, c, diags); !strings.Contains(text, "do not make a pair") || len(diags) != 1 {
		t.Errorf("a key of another certificate: %s", text)
	}
	if err := os.Chmod(filepath.Join(dir, "server.key"), 0o604); err != nil {
		t.Fatal(err)
	}
	c, diags = Parse(file, fmt.Appendf(nil, adminStores+block, ":8480", "server.key"))
	if text := render(t, c, diags); !strings.Contains(text, "chmod 600") || diags.HasErrors() || len(diags) != 1 {
		t.Errorf("a key that everyone can read: %s", text)
	}
}

// Without TLS, or without one of the tokens, only this machine may reach the API.
func TestAdminForOthersNeedsAll(t *testing.T) {
	dir := t.TempDir()
	writePair(t, dir, "server")
	parts := []string{
		"read_token = \"${env(\"CDCSYNC_TEST_SECRET\")}-for-reading\"\n",
		"operate_token = \"${env(\"CDCSYNC_TEST_SECRET\")}-for-operating\"\n",
		"tls {\ncert = \"server.pem\"\nkey = \"server.key\"\n}\n",
	}
	t.Setenv("CDCSYNC_TEST_SECRET", canary)
	for missing := range parts {
		text := adminStores + "admin {\nlisten = \":8480\"\n" + strings.Join(slices.Delete(slices.Clone(parts), missing, missing+1), "") + "}\n"
		c, diags := Parse(filepath.Join(dir, "shop.hcl"), []byte(text))
		if got := render(t, c, diags); !strings.Contains(got, "Not a loopback address") {
			t.Errorf("without %s: %s", parts[missing], got)
		}
	}
}
