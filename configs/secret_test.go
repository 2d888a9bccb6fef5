package configs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
)

func TestSecretNeverPrints(t *testing.T) {
	secret := NewSecret(canary)
	if secret.Reveal() != canary {
		t.Fatalf("Reveal() = %q", secret.Reveal())
	}
	type holder struct {
		Open   Secret
		hidden Secret
	}
	store := &Store{Name: "a", DSN: secret}
	values := []any{secret, &secret, holder{secret, secret}, &holder{secret, secret}, []Secret{secret},
		map[string]Secret{"a": secret}, store, *store, &Config{Stores: []*Store{store}}}
	var b bytes.Buffer
	for _, v := range values {
		for _, verb := range strings.Fields("%v %+v %#v %s %q %x %X %d %t %p %T") {
			fmt.Fprintf(&b, verb, v)
		}
		out, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(out)
		for _, asJSON := range []bool{false, true} {
			hclog.New(&hclog.LoggerOptions{Output: &b, JSONFormat: asJSON}).Error("open", "dsn", v, "error", fmt.Errorf("open %v", v))
		}
		slog.New(slog.NewTextHandler(&b, nil)).Error("open", "dsn", v)
		slog.New(slog.NewJSONHandler(&b, nil)).Error("open", "dsn", v)
	}
	hex := fmt.Sprintf("%x", canary)
	for _, form := range []string{canary, hex, strings.ToUpper(hex)} {
		if strings.Contains(b.String(), form) {
			t.Errorf("%s is printed in %s", form, b.String())
		}
	}
	if !strings.Contains(b.String(), redacted) {
		t.Error("nothing is printed as redacted")
	}
	if got := fmt.Sprint(secret); got != redacted {
		t.Errorf("Sprint = %q", got)
	}
	if got := (Secret{}).Reveal(); got != "" {
		t.Errorf("zero Secret reveals %q", got)
	}
}

// TestBrokenFileKeepsSecrets breaks a config at every byte, in every way that unbalances
// it, and looks for the secret in what is printed.
func TestBrokenFileKeepsSecrets(t *testing.T) {
	for name, src := range map[string]string{"sqlite": brokenSQLite, "postgres": brokenPostgres} {
		t.Run(name, func(t *testing.T) { breakFile(t, src) })
	}
}

const brokenSQLite = `# The stores.
store "a" {
  engine = "sqlite"
  dsn    = "user:CANARY@host/x"
}

store "b" {
  engine = "sqlite" # b
  dsn    = <<EOT
CANARY
EOT
}

link "l" {
  left  = store.a
  right = store.b
  tables { include = ["t"] }
}
`

// brokenPostgres has the forms of a PostgreSQL dsn, in the places where one may stand.
const brokenPostgres = `# The stores.
store "a" {
  engine   = "postgres"
  dsn      = "postgres://user:CANARY@h1,h2:5432/db?password=CANARY&sslmode=disable"
  insecure = true # not in public
  capture  = "rows"
}

store "b" {
  engine   = "postgres"
  dsn      = "host=h user=u password='it is CANARY' sslmode=require"
  insecure = false
}

store "c" {
  insecure = true
  dsn      = "host=h password=${env("CDCSYNC_TEST_UNSET")} sslpassword=CANARY"
  engine   = "postgres"
}

link "l" {
  left  = store.a
  right = store.b
  tables { include = ["public.t"] }
}
`

func breakFile(t *testing.T, src string) {
	check := func(broken string) {
		config, diags := Parse("x.hcl", []byte(broken))
		out := render(t, config, diags)
		for _, d := range diags {
			out += d.Error()
		}
		if strings.Contains(out, canary) {
			t.Fatalf("the secret of\n%s\nis printed:\n%s", broken, out)
		}
	}
	for i := range src {
		check(src[:i] + src[i+1:])
		for _, insert := range []string{`"`, "{", "}", "\n", "${", "%{", "=", "*/", "/*", "#", "x", "\x00", "\xff"} {
			check(src[:i] + insert + src[i:])
		}
	}
	for _, line := range strings.Split(src, "\n") {
		check(strings.Replace(src, line+"\n", "", 1))
		check(strings.Replace(src, line+"\n", strings.TrimSpace(line), 1))
	}
}

func TestMaskKeepsLength(t *testing.T) {
	for _, src := range []string{"", "store \"a\" {\n", "dsn = \"x\"\nlink \"l\" {}", "store \"a\" { dsn = \"CANARY\" }\nx = 1\n"} {
		got := mask([]byte(src))
		if len(got) != len(src) {
			t.Errorf("mask(%q) = %q", src, got)
		}
		if bytes.Contains(got, []byte(canary)) {
			t.Errorf("mask(%q) = %q", src, got)
		}
	}
	for _, src := range []string{
		"left = \"host=h user=u password = 'my CANARY' dbname=x\"\n",
		"left = \"postgres://user:my CANARY is@host/db\" # x\n",
		"left = postgresql://user:my CANARY@host/db\n",
		"left = \"postgres://user:my\"CANARY@host/db\"\n",
		"store \"a\" {\n  insecure = true, dsn = \"host=h PGPASSWORD=CANARY\"\n}\n",
	} {
		if got := mask([]byte(src)); bytes.Contains(got, []byte(canary)) {
			t.Errorf("mask(%q) = %q", src, got)
		}
	}
	const harmless = "link \"l\" {\n  left = store.a\n  values = { A = \"x\" }\n}\n"
	if got := mask([]byte(harmless)); string(got) != harmless {
		t.Errorf("mask changes %q to %q", harmless, got)
	}
}
