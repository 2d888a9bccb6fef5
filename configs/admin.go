package configs

import (
	"crypto/tls"
	"net"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Admin is where the admin API listens, and whom it lets in.
type Admin struct {
	// Listen is host:port. Beyond the loopback interface there are TLS and both tokens.
	Listen string
	// Hosts are the names by which it may be reached, beside those of the loopback interface.
	Hosts []string
	// ReadToken and OperateToken are empty where none is needed. There is no ReadToken without
	// an OperateToken.
	ReadToken, OperateToken Secret
	// TLS is nil where the API speaks plain HTTP.
	TLS *TLS
}

// TLS are paths of PEM files, empty where the config does not say.
type TLS struct {
	Cert, Key string
	// ClientCA is what the certificates of clients are verified by; then they need one.
	ClientCA string
	// ClientCert and ClientKey are what the commands of cdcsync show.
	ClientCert, ClientKey string
}

// minToken is how long a token is, at least, in bytes.
const minToken = 16

// admin decodes the admin block.
func (d *decoder) admin(b *hclsyntax.Block) {
	d.noLabel(b)
	d.check(b.Body, "an admin block", schema{
		attrs:  []string{"listen", "hosts", "read_token", "operate_token"},
		blocks: []string{"tls"},
	})
	if d.config.Admin != nil {
		d.errorf(b.DefRange(), "Duplicate admin block", "There is an admin block already; one is enough for all files.")
		return
	}
	attrs := b.Body.Attributes
	a := &Admin{Hosts: d.hosts(attrs["hosts"])}
	d.config.Admin = a
	a.ReadToken, a.OperateToken = d.token(attrs["read_token"]), d.token(attrs["operate_token"])
	read, operate := attrs["read_token"], attrs["operate_token"]
	switch {
	case read != nil && operate == nil:
		d.errorf(read.NameRange, "Missing operate_token", "Reading would need a token, and changing none. Write operate_token, too.")
	case read != nil && a.ReadToken.Reveal() != "" && a.ReadToken.Reveal() == a.OperateToken.Reveal():
		d.errorf(read.Expr.Range(), "One token, two rights", "read_token and operate_token are the same: whoever may read could operate. Write two different ones.")
	}
	for _, block := range b.Body.Blocks {
		if block.Type == "tls" {
			d.tls(block, a)
		}
	}
	if attr := d.required(b, "listen", `"127.0.0.1:8480"`); attr != nil {
		d.listen(attr, a, a.TLS != nil && read != nil && operate != nil)
	}
}

// listen decodes the address of the admin API. Without TLS and tokens, it is reached from this
// machine only.
func (d *decoder) listen(attr *hclsyntax.Attribute, a *Admin, guarded bool) {
	listen, ok := d.text(attr.Expr)
	if !ok {
		return
	}
	a.Listen = listen
	at := attr.Expr.Range()
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		d.errorf(at, "Bad address", "listen is host:port, for example \"127.0.0.1:8480\", not %q.", listen)
		return
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strings.HasPrefix(port, "+") {
		d.errorf(at, "Bad address", "The port is a number from 0 to 65535, not %q.", port)
	} else if n == 0 {
		d.warnf(at, "Port chosen at start", "Port 0 takes another free port at every start.")
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) && !guarded {
		d.errorf(at, "Not a loopback address",
			"An address that others can reach needs TLS and both tokens: write tls { cert = … key = … }, read_token and operate_token. Or listen on 127.0.0.1, [::1] or localhost.")
	}
}

// hosts decodes the names by which the API may be reached.
func (d *decoder) hosts(attr *hclsyntax.Attribute) []string {
	var hosts []string
	for _, p := range d.texts(attr) {
		if _, _, err := net.SplitHostPort(p.Text); err == nil || strings.ContainsAny(p.Text, "/*[] ") {
			d.errorf(p.at, "Bad host", "A host is a name or an IP address, without a port, for example \"sync.example.org\", not %q.", p.Text)
			continue
		}
		hosts = append(hosts, strings.ToLower(p.Text))
	}
	return hosts
}

// token decodes a token. What is wrong with it is said without showing it.
func (d *decoder) token(attr *hclsyntax.Attribute) Secret {
	if attr == nil {
		return Secret{}
	}
	token := d.secret(attr.Expr, "token")
	text := token.Reveal()
	at := attr.Expr.Range()
	switch {
	case text == "":
		return Secret{}
	case len(text) < minToken:
		d.errorf(at, "Token too short", "A token has %d characters at least, so that it cannot be guessed. Make one with: openssl rand -hex 32", minToken)
	case strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		d.errorf(at, "Bad token", "A token has printable ASCII characters only, and no spaces. Make one with: openssl rand -hex 32")
	}
	if e, ok := attr.Expr.(*hclsyntax.TemplateExpr); ok && e.IsStringLiteral() {
		d.warnf(at, "Secret in the config", "Whoever reads this file can use the token. Write %s = env(\"NAME\") or file(\"path\").", attr.Name)
	}
	return token
}

// tls decodes the tls block of the admin block.
func (d *decoder) tls(b *hclsyntax.Block, a *Admin) {
	d.noLabel(b)
	d.check(b.Body, "a tls block", schema{attrs: []string{"cert", "key", "client_ca", "client_cert", "client_key"}})
	if a.TLS != nil {
		d.errorf(b.DefRange(), "Duplicate tls block", "There is a tls block already.")
		return
	}
	attrs := b.Body.Attributes
	a.TLS = &TLS{}
	cert, key := d.required(b, "cert", `"server.pem"`), d.required(b, "key", `"server.key"`)
	a.TLS.Cert, a.TLS.Key = d.keyPair(cert, key)
	a.TLS.ClientCA, _ = d.pem(attrs["client_ca"])
	cert, key = attrs["client_cert"], attrs["client_key"]
	if (cert == nil) != (key == nil) {
		d.errorf(b.DefRange(), "Half a certificate", "client_cert and client_key are the two halves of what the commands show: write both.")
		return
	}
	a.TLS.ClientCert, a.TLS.ClientKey = d.keyPair(cert, key)
}

// keyPair decodes the paths of a certificate and its key.
func (d *decoder) keyPair(cert, key *hclsyntax.Attribute) (certPath, keyPath string) {
	certPath, certText := d.pem(cert)
	keyPath, keyText := d.pem(key)
	if certText == "" || keyText == "" {
		return certPath, keyPath
	}
	if _, err := tls.X509KeyPair([]byte(certText), []byte(keyText)); err != nil {
		d.errorf(cert.Expr.Range(), "Bad certificate",
			"The certificate and the key at %s do not make a pair: %v.", line(key.Expr.Range()), strings.TrimPrefix(err.Error(), "tls: "))
	}
	return certPath, keyPath
}

// pem decodes the path of a file, relative to the config file, and reads the file.
func (d *decoder) pem(attr *hclsyntax.Attribute) (path, text string) {
	if attr == nil {
		return "", ""
	}
	path = d.name(attr)
	if path == "" {
		return "", ""
	}
	at := attr.Expr.Range()
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(at.Filename), path)
	}
	text, mode, err := readSecret(path)
	switch {
	case err != nil:
		d.errorf(at, "Cannot read file", "The file of %s cannot be read: %v. Relative paths start at the config file.", attr.Name, err)
	case mode.Perm()&0o004 != 0 && strings.HasSuffix(attr.Name, "key"):
		d.warnf(at, "Secret readable by everyone", "Every user of this machine can read the file of %s. Run: chmod 600 on it.", attr.Name)
	}
	return path, text
}
