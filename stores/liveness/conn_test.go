package liveness

import (
	"context"
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// pair returns a watched connection and its other end.
func pair(t *testing.T) (*Conn, net.Conn) {
	t.Helper()
	near, far := net.Pipe()
	c := Watch(near, Default)
	t.Cleanup(func() {
		_ = c.Close()
		_ = far.Close()
	})
	return c, far
}

// lost is a server that does not answer.
func lost(ctx context.Context) error {
	<-ctx.Done()
	return errors.New("no answer")
}

// TestDead waits for servers that are gone: reading and writing end within the limit, and say
// why; so does whatever is done with the connection afterwards, at once.
func TestDead(t *testing.T) {
	asks := map[string]func(context.Context) error{
		"no answer":   lost,
		"not at work": func(context.Context) error { return errors.New("it waits for its client") },
	}
	for name, ask := range asks {
		for what, do := range map[string]func(net.Conn) error{
			"read":  func(c net.Conn) error { _, err := c.Read(make([]byte, 1)); return err },
			"write": func(c net.Conn) error { _, err := c.Write([]byte("?")); return err },
		} {
			t.Run(name+"/"+what, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c, _ := pair(t)
					c.Ask(ask)
					began := time.Now()
					err := do(c)
					took := time.Since(began)
					var silent *SilentError
					if !errors.As(err, &silent) || silent.For != took || c.Silent() == nil {
						t.Fatalf("after %v: %v", took, err)
					}
					if took < Default.Silence || took > Default.Most() {
						t.Errorf("found after %v, of %v at the most", took, Default.Most())
					}
					if _, err := c.Write([]byte("?")); err != error(silent) || time.Since(began) != took {
						t.Errorf("afterwards: %v", err)
					}
				})
			})
		}
	}
}

// TestBeats has somebody write now and then on a connection that takes it and is dead.
func TestBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far := pair(t)
		c.Ask(lost)
		c.Beats()
		go func() {
			for {
				if _, err := far.Read(make([]byte, 1)); err != nil {
					return
				}
			}
		}()
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			for {
				if _, err := c.Write([]byte(".")); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		began := time.Now()
		if _, err := c.Read(make([]byte, 1)); !errors.As(err, new(*SilentError)) || time.Since(began) > Default.Most() {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		<-stopped
	})
}

// TestUnmade is a server that takes connections and says nothing.
func TestUnmade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := pair(t)
		began := time.Now()
		if _, err := c.Read(make([]byte, 1)); !errors.As(err, new(*SilentError)) || time.Since(began) > Default.Most() {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

// TestAtWork has a server work for hours, during which it once cannot be asked and once seems to
// be done: what it says in the end is read.
func TestAtWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far := pair(t)
		asked := 0
		c.Ask(func(ctx context.Context) error {
			if asked++; asked == 7 || asked == 11 {
				return lost(ctx)
			}
			return nil
		})
		go func() {
			time.Sleep(3 * time.Hour)
			_, _ = far.Write([]byte("done"))
		}()
		b := make([]byte, 10)
		if n, err := c.Read(b); string(b[:n]) != "done" || err != nil {
			t.Errorf("read %q, %v", b[:n], err)
		}
		if asked < 1000 {
			t.Errorf("asked %d times", asked)
		}
	})
}

// TestUpload sends for an hour to a server that takes it slowly and answers at the end: nobody
// asks it anything, also where what is sent at once takes long.
func TestUpload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far := pair(t)
		c.Ask(func(context.Context) error {
			t.Error("asked")
			return nil
		})
		const size = 3600
		go func() {
			for range size {
				time.Sleep(time.Second)
				if _, err := far.Read(make([]byte, 1)); err != nil {
					t.Error(err)
				}
			}
			_, _ = far.Write([]byte("done"))
		}()
		go func() {
			for range size / 4 {
				if n, err := c.Write(make([]byte, 4)); n != 4 || err != nil {
					t.Errorf("wrote %d, %v", n, err)
				}
			}
		}()
		b := make([]byte, 10)
		if n, err := c.Read(b); string(b[:n]) != "done" || err != nil {
			t.Errorf("read %q, %v", b[:n], err)
		}
	})
}

// TestSlowReader is a message that is taken in pieces, each a while after the other.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far := pair(t)
		c.Ask(func(context.Context) error { return nil })
		var took []byte
		go func() {
			b := make([]byte, 1)
			for range 5 {
				time.Sleep(25 * time.Second)
				n, _ := far.Read(b)
				took = append(took, b[:n]...)
			}
		}()
		if n, err := c.Write([]byte("piece")); n != 5 || err != nil {
			t.Errorf("wrote %d, %v", n, err)
		}
		synctest.Wait()
		if string(took) != "piece" {
			t.Errorf("the other end took %q", took)
		}
	})
}

// TestDeadlines has the caller's own deadlines kept: before, while and after the server is
// asked, and when they are taken back.
func TestDeadlines(t *testing.T) {
	for _, after := range []time.Duration{time.Second, Default.Silence + time.Second, Default.Silence + Default.Ask + time.Second} {
		for name, set := range map[string]func(*Conn){
			"set before": func(c *Conn) { _ = c.SetDeadline(time.Now().Add(after)) },
			"set later": func(c *Conn) {
				time.AfterFunc(after, func() { _ = c.SetReadDeadline(time.Unix(1, 0)) })
			},
			"closed": func(c *Conn) { time.AfterFunc(after, func() { _ = c.Close() }) },
		} {
			t.Run(name+" "+after.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c, far := pair(t)
					c.Ask(lost)
					set(c)
					began := time.Now()
					_, err := c.Read(make([]byte, 1))
					if err == nil || c.Silent() != nil || time.Since(began) != after {
						t.Fatalf("after %v: %v", time.Since(began), err)
					}
					if name == "closed" {
						return
					}
					if !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("%v", err)
					}
					if err := c.SetDeadline(time.Time{}); err != nil {
						t.Fatal(err)
					}
					go func() { _, _ = far.Write([]byte("x")) }()
					if n, err := c.Read(make([]byte, 1)); n != 1 || err != nil {
						t.Errorf("afterwards: %d, %v", n, err)
					}
				})
			})
		}
	}
}
