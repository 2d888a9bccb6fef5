package admin

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ErrNobody is returned by a Client when nothing answers at the address.
var ErrNobody = errors.New("nothing answers")

// maxAnswer bounds what a client reads, in bytes.
const maxAnswer = 256 << 20

// Client asks a running instance. It is safe for concurrent use.
type Client struct {
	base, token string
	http        *http.Client
}

// Access is what a Client shows, and what it asks of the server.
type Access struct {
	// Token is sent along, unless it is empty.
	Token string
	// TLS is nil for plain HTTP, and for a server that the certificates of the system vouch for.
	TLS *tls.Config
}

// NewClient returns a client for an address, host:port, or a URL. A host:port is spoken to by
// TLS if access has it.
func NewClient(address string, access Access) (*Client, error) {
	if !strings.Contains(address, "://") && access.TLS != nil {
		address = "https://" + address
	} else if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("parse the admin address: %q is neither host:port nor http://host:port nor https://host:port", address)
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme == "http" && access.Token != "" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("ask %s: a token is sent to other machines by https only", u.Host)
	}
	return &Client{base: u.Scheme + "://" + u.Host, token: access.Token, http: &http.Client{
		Timeout: maxWait + writeWithin, Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true, TLSClientConfig: access.TLS},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Links returns every link.
func (c *Client) Links(ctx context.Context) ([]Link, error) {
	var body linksBody
	err := c.get(ctx, "/v1/links", &body)
	return body.Links, err
}

// Conflicts returns the latest limit conflicts of a link, newest first.
func (c *Client) Conflicts(ctx context.Context, link string, limit int) ([]Conflict, error) {
	var body conflictsBody
	err := c.get(ctx, "/v1/links/"+url.PathEscape(link)+"/conflicts?limit="+strconv.Itoa(limit), &body)
	return body.Conflicts, err
}

// Parked returns the rows of a link that wait, oldest first.
func (c *Client) Parked(ctx context.Context, link string) ([]Parked, error) {
	var body parkedRowsBody
	err := c.get(ctx, "/v1/links/"+url.PathEscape(link)+"/parked", &body)
	return body.Parked, err
}

// Barrier returns once everything committed before the call is in both stores, or with an
// error after wait.
func (c *Client) Barrier(ctx context.Context, link string, wait time.Duration) error {
	return c.get(ctx, "/v1/links/"+url.PathEscape(link)+"/barrier?wait="+wait.String(), &barrierBody{})
}

// PauseLink lets a link wait, and returns its state.
func (c *Client) PauseLink(ctx context.Context, link, reason string) (l Link, err error) {
	err = c.do(ctx, http.MethodPost, "/v1/links/"+url.PathEscape(link)+"/pause", reasonBody{reason}, &l)
	return l, err
}

// ResumeLink lets a link go on, and returns its state.
func (c *Client) ResumeLink(ctx context.Context, link string) (l Link, err error) {
	err = c.do(ctx, http.MethodPost, "/v1/links/"+url.PathEscape(link)+"/resume", nil, &l)
	return l, err
}

// Pause lets a table of a link wait, and returns its state.
func (c *Client) Pause(ctx context.Context, link, table, reason string) (t Table, err error) {
	err = c.do(ctx, http.MethodPost, tablePath(link, table)+"/pause", reasonBody{reason}, &t)
	return t, err
}

// Resume lets a table of a link go on, and returns its state.
func (c *Client) Resume(ctx context.Context, link, table string) (t Table, err error) {
	err = c.do(ctx, http.MethodPost, tablePath(link, table)+"/resume", nil, &t)
	return t, err
}

// Resync has a table of a link compared again, by a side or, if by is empty, as the config says,
// and returns its state.
func (c *Client) Resync(ctx context.Context, link, table, by string) (t Table, err error) {
	err = c.do(ctx, http.MethodPost, tablePath(link, table)+"/resync", resyncBody{by}, &t)
	return t, err
}

// Resolve has a parked row of a link become what a side has, if take is left or right, or row, or
// deleted if row is the zero Row.
func (c *Client) Resolve(ctx context.Context, link, id, take string, row *Row) error {
	send := map[string]any{}
	switch {
	case row == nil:
		send["take"] = take
	case row.Values == nil:
		send["delete"] = true
	default:
		send["row"] = row
	}
	return c.do(ctx, http.MethodPost, parkedPath(link, id)+"/resolve", send, &countBody{})
}

// Retry tries a parked row of a link again, or all if id is empty, and returns how many there were.
func (c *Client) Retry(ctx context.Context, link, id string) (int, error) {
	var body countBody
	err := c.do(ctx, http.MethodPost, parkedPath(link, id)+"/retry", nil, &body)
	return body.Rows, err
}

// Discard gives a parked row of a link up.
func (c *Client) Discard(ctx context.Context, link, id string) error {
	return c.do(ctx, http.MethodPost, parkedPath(link, id)+"/discard", nil, &countBody{})
}

// Revert writes back what a conflict did away with: what the side take had, or what lost.
func (c *Client) Revert(ctx context.Context, link, side string, id int64, take string) error {
	path := "/v1/links/" + url.PathEscape(link) + "/conflicts/" + side + "/" + strconv.FormatInt(id, 10) + "/revert"
	return c.do(ctx, http.MethodPost, path, revertBody{take}, &countBody{})
}

// Replay says what another policy would have made of the recorded conflicts of a link.
func (c *Client) Replay(ctx context.Context, link string, request ReplayRequest) (found Replay, err error) {
	err = c.do(ctx, http.MethodPost, "/v1/links/"+url.PathEscape(link)+"/conflicts/replay", request, &found)
	return found, err
}

// Shadowed returns the last rows of a link that would have been written to a side in shadow.
func (c *Client) Shadowed(ctx context.Context, link string) ([]Shadowed, error) {
	var body shadowBody
	err := c.get(ctx, "/v1/links/"+url.PathEscape(link)+"/shadow", &body)
	return body.Shadowed, err
}

func parkedPath(link, id string) string {
	path := "/v1/links/" + url.PathEscape(link) + "/parked"
	if id != "" {
		path += "/" + url.PathEscape(id)
	}
	return path
}

func tablePath(link, table string) string {
	return "/v1/links/" + url.PathEscape(link) + "/tables/" + url.PathEscape(table)
}

// get asks for path and decodes the answer into body.
func (c *Client) get(ctx context.Context, path string, body any) error {
	return c.do(ctx, http.MethodGet, path, nil, body)
}

// do sends a request, with what is to be sent as JSON unless that is nil, and decodes the answer
// into body.
func (c *Client) do(ctx context.Context, method, path string, send, body any) error {
	var content io.Reader
	if send != nil {
		text, err := json.Marshal(send)
		if err != nil {
			return fmt.Errorf("ask %s: %w", c.base, err)
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, content)
	if err != nil {
		return fmt.Errorf("ask %s: %w", c.base, err)
	}
	if send != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(request)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%w at %s", ErrNobody, c.base)
	}
	if err != nil {
		return fmt.Errorf("ask %s: %w", c.base, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("ask %s: %w", c.base, err)
	}
	if response.StatusCode/100 != 2 {
		var refused errorBody
		if json.Unmarshal(text, &refused) != nil || refused.Error == "" {
			return fmt.Errorf("ask %s: it answers %s, and not as cdcsync does", c.base, response.Status)
		}
		return errors.New(refused.Error)
	}
	if err := json.Unmarshal(text, body); err != nil {
		return fmt.Errorf("ask %s: what answers there is not cdcsync: %w", c.base, err)
	}
	return nil
}
