package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cdcsync/cdcsync/admin"
	"github.com/cdcsync/cdcsync/configs"
)

// serverSettings are the settings of the admin API that a config asks for.
func serverSettings(a *configs.Admin) admin.Settings {
	s := admin.Settings{
		Listen: a.Listen, Hosts: a.Hosts,
		Read: admin.NewToken(a.ReadToken.Reveal()), Operate: admin.NewToken(a.OperateToken.Reveal()),
	}
	if a.TLS != nil {
		s.TLS = &admin.TLS{Cert: a.TLS.Cert, Key: a.TLS.Key, ClientCA: a.TLS.ClientCA}
	}
	return s
}

// configClient returns a client of the instance that runs with a config. It shows the token that
// may do everything, and takes no other server than the one with the certificate of the config.
func configClient(a *configs.Admin) (*admin.Client, error) {
	host, port, err := net.SplitHostPort(a.Listen)
	if err != nil {
		return nil, fmt.Errorf("parse admin.listen: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // it listens there, too
		if ip != nil && ip.To4() == nil {
			host = "::1"
		}
	}
	access := admin.Access{Token: a.OperateToken.Reveal()}
	if a.TLS != nil {
		if access.TLS, err = configTLS(a.TLS, host); err != nil {
			return nil, err
		}
	}
	return admin.NewClient(net.JoinHostPort(host, port), access)
}

// configTLS trusts the certificate of the config alone, whatever host it is reached by: only the
// instance has its key.
func configTLS(t *configs.TLS, host string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
	if err != nil {
		return nil, fmt.Errorf("read the certificate of the admin API: %w", err)
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return nil, fmt.Errorf("read the certificate of the admin API: %w", err)
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host, RootCAs: x509.NewCertPool()}
	c.RootCAs.AddCert(leaf)
	switch {
	case leaf.VerifyHostname(host) == nil:
	case len(leaf.DNSNames) > 0:
		c.ServerName = strings.Replace(leaf.DNSNames[0], "*", "any", 1)
	case len(leaf.IPAddresses) > 0:
		c.ServerName = leaf.IPAddresses[0].String()
	}
	return c, showCertificate(c, t.ClientCert, t.ClientKey)
}

// showCertificate has a client show a certificate, unless cert is empty.
func showCertificate(c *tls.Config, cert, key string) error {
	if cert == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("read the certificate of the client: %w", err)
	}
	c.Certificates = []tls.Certificate{pair}
	return nil
}

// instanceFlags say which running instance to ask, and what to show it.
type instanceFlags struct{ address, token, ca, cert, key *string }

func addInstanceFlags(cmd *cobra.Command) instanceFlags {
	flags := cmd.Flags()
	return instanceFlags{
		address: flags.String("admin", "", "ask the instance at this `address` or https:// URL, instead of the one that the config names"),
		token:   flags.String("token-file", "", "with --admin: the `file` that has the token"),
		ca:      flags.String("ca-file", "", "with --admin: the `file` that has the certificate of the instance, or of its CA; else the CAs of the system"),
		cert:    flags.String("cert-file", "", "with --admin: the `file` that has the certificate to show"),
		key:     flags.String("key-file", "", "with --admin: the `file` that has its key"),
	}
}

// client returns a client of the instance.
func (f instanceFlags) client(cmd *cobra.Command, args []string) (*admin.Client, error) {
	switch {
	case *f.address != "" && len(args) > 0:
		return nil, usagef("give a config or --admin, not both")
	case *f.address != "":
		access, err := f.access()
		if err != nil {
			return nil, err
		}
		client, err := admin.NewClient(*f.address, access)
		if err != nil {
			return nil, &usageError{err}
		}
		return client, nil
	case *f.token+*f.ca+*f.cert+*f.key != "":
		return nil, usagef("--token-file, --ca-file, --cert-file and --key-file go with --admin: a config has its own")
	case len(args) == 0:
		return nil, usagef("%s needs a config, to know where the instance listens, or --admin ADDRESS", cmd.Name())
	}
	cfg, err := load(cmd.ErrOrStderr(), args)
	if err != nil {
		return nil, err
	}
	if cfg.Admin == nil {
		return nil, fmt.Errorf(`the config has no admin block, so a running instance cannot be asked (add: admin { listen = "127.0.0.1:8480" })`)
	}
	return configClient(cfg.Admin)
}

// access returns what the flags say to show, and to ask for.
func (f instanceFlags) access() (a admin.Access, err error) {
	if *f.token != "" {
		text, err := os.ReadFile(*f.token)
		if err != nil {
			return a, fmt.Errorf("read the token: %w", err)
		}
		if a.Token = strings.TrimSpace(string(text)); a.Token == "" {
			return a, fmt.Errorf("read the token: %s is empty", *f.token)
		}
	}
	if *f.ca+*f.cert+*f.key == "" {
		return a, nil
	}
	if (*f.cert == "") != (*f.key == "") {
		return a, usagef("--cert-file and --key-file go together")
	}
	a.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	if *f.ca != "" {
		if a.TLS.RootCAs, err = admin.ReadPool(*f.ca); err != nil {
			return a, fmt.Errorf("read --ca-file: %w", err)
		}
	}
	return a, showCertificate(a.TLS, *f.cert, *f.key)
}
