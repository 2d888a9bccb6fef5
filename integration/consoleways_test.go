package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/cdcsync/cdcsync/admin"
)

// More parts of the console.
const (
	consoleAlarms  = `//*[@id="alarms"]`
	consoleButtons = `//*[@id="link-buttons"]`
	consoleShadow  = `//*[@id="shadow"]`
	consoleSaid    = `//*[@id="said"]`
	consoleLogin   = `//*[@id="login"]`
)

const tokenLink = `
link "shop" {
  left  = store.old
  right = store.new
  tables { include = ["orders", "items"] }
}
admin {
  listen        = %q
  read_token    = file("read")
  operate_token = file("operate")
}
`

// TestConsoleTokens comes without a token, with a wrong one, with one to read and with one to operate.
func TestConsoleTokens(t *testing.T) {
	needBrowser(t)
	s := newSchemaShop(t, [2]site{file(t), file(t)}, "pause")
	if err := s.p.stop(); err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{"read": strings.Repeat("r", 32), "operate": strings.Repeat("o", 32)} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(s.config), name), []byte(token), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.writeConfig(tokenLink)
	s.p = start(t, "run", s.config)
	s.p.await(s.address, "/healthz")

	v := visit(t, "http://"+s.address+"/", "401", "403")
	v.sees(consoleLogin, "asks for a token")
	v.picture("token-light", "light", 1100)
	if got := v.focused(); got != "" {
		t.Errorf("%q has the focus, not the field", got)
	}
	v.press(strings.Repeat("x", 32), kb.Enter)
	v.sees(consoleLogin, "token")
	v.do("see that it is wrong", chromedp.WaitVisible(`//*[@id="login-error" and normalize-space() != ""]`))
	v.picture("token-wrong-dark", "dark", 360)

	v.press(strings.Repeat("r", 32), kb.Enter)
	v.sees(consoleOrders, "live")
	v.click(consoleOrders, "Pause…")
	v.click(consoleDialog, "Pause")
	v.do("see that it is refused", chromedp.WaitVisible(consoleDialog+`//p[@class="error" and normalize-space() != ""]`))
	v.picture("refused-light", "light", 1100)
	v.press("", kb.Escape)
	s.wantStage(t, v, "live")

	v.click("//header", "Forget the token")
	v.sees(consoleLogin, "asks for a token")
	v.press(strings.Repeat("o", 32), kb.Enter)
	v.click(consoleOrders, "Pause…")
	v.click(consoleDialog, "Pause")
	s.wantStage(t, v, "paused")
	if kept := says[string](v, "JSON.stringify({...localStorage}) + document.cookie"); kept != "{}" {
		t.Errorf("the browser keeps %s", kept)
	}
}

// wantStage expects the console to show a stage of orders.
func (s *schemaShop) wantStage(t *testing.T, v *visitor, stage string) {
	t.Helper()
	v.sees(consoleOrders+`//span[contains(@class, "badge")]`, stage)
}

const noneLink = `
link "shop" {
  left    = store.old
  right   = store.new
  initial = "none"
  tables { include = ["orders", "items"] }
}
admin { listen = %q }
`

// TestConsoleRepair compares stores that differ, and makes one what the other is.
func TestConsoleRepair(t *testing.T) {
	needBrowser(t)
	s := newSchemaShop(t, [2]site{file(t), file(t)}, "pause")
	s.breakOrders()
	v := visit(t, "http://"+s.address+"/")
	v.click(consoleVerify, "Verify")
	v.sees(consoleVerify, "The stores differ")
	v.sees(consoleVerify, "orders id=2")
	v.picture("differ-light", "light", 1100)
	v.picture("differ-dark-narrow", "dark", 360)
	v.do("choose repair", chromedp.SetValue(`#verify-how`, "left", chromedp.ByQuery))
	v.click(consoleVerify, "Verify")
	v.sees(consoleDialog, "deleted there")
	v.click(consoleDialog, "Compare and repair")
	v.sees(consoleVerify, "The stores hold the same")
	if got := s.both("id, qty"); got != "1:1 2:2 3:3 4:4" {
		t.Errorf("both sides have %q", got)
	}
}

// breakOrders takes the link out, changes the right side, and takes the link in again as it is.
func (s *schemaShop) breakOrders() {
	s.t.Helper()
	if err := s.p.stop(); err != nil {
		s.t.Fatal(err)
	}
	if out, err := command("teardown", s.config); err != nil {
		s.t.Fatalf("teardown: %v\n%s", err, out)
	}
	s.exec(1, "UPDATE orders SET qty = 99 WHERE id = 2", "INSERT INTO orders VALUES (7, 7)", "DELETE FROM orders WHERE id = 4")
	s.writeConfig(noneLink)
	s.p = start(s.t, "run", s.config)
	s.settled()
}

// TestConsoleParked tries a row again that a store refuses, and gives one up.
func TestConsoleParked(t *testing.T) {
	needBrowser(t)
	s := newSchemaShop(t, [2]site{file(t), file(t)}, "pause")
	s.exec(1, "CREATE TRIGGER picky BEFORE INSERT ON orders WHEN NEW.qty = 13 BEGIN SELECT RAISE(ABORT, 'thirteen is bad luck'); END")
	s.exec(0, "INSERT INTO orders VALUES (5, 13), (6, 13)")
	v := visit(t, "http://"+s.address+"/")
	five, six := consoleParked+`//article[h4="orders id=5"]`, consoleParked+`//article[h4="orders id=6"]`
	v.sees(five, "thirteen is bad luck")
	v.sees(six, "absent")
	v.picture("refused-rows-dark", "dark", 1100)
	v.click(six, "Discard…")
	v.sees(consoleDialog, "Both sides keep what they have")
	v.click(consoleDialog, "Discard")
	v.do("see it gone", chromedp.WaitNotPresent(six))
	v.click(five, "Retry")
	v.sees(consoleSaid, "orders id=5 is tried again")
	s.exec(1, "DROP TRIGGER picky") // it is tried again by itself, too
	v.sees(consoleParked, "No row is parked")
	for side, want := range []string{"6", "5"} { // for a moment, the row may be on its way
		s.shows(side, "SELECT count(*) FROM orders", want)
	}
}

// TestConsoleKeyboard pauses and resumes a table and the whole link without a mouse.
func TestConsoleKeyboard(t *testing.T) {
	needBrowser(t)
	s := newSchemaShop(t, [2]site{file(t), file(t)}, "pause")
	v := visit(t, "http://"+s.address+"/")
	v.sees(consoleOrders, "live")
	v.press("", kb.Tab)
	if got := v.focused(); got != "Skip to the link" {
		t.Errorf("the first Tab leads to %q", got)
	}
	v.tabTo("Pause the link…")
	v.press("", kb.Enter)
	v.sees(consoleDialog, "Pause link shop?")
	v.press("", kb.Escape)
	if got := v.focused(); got != "Pause the link…" {
		t.Errorf("after the dialog, %q has the focus", got)
	}
	v.press("", kb.Enter)
	v.press("the night", kb.Enter)
	v.sees(consoleAlarms, "the night")
	s.link("paused", func(l admin.Link) bool { return l.State == "paused" && l.Paused == "the night" })
	v.picture("paused-light", "light", 1100)
	v.picture("paused-dark-narrow", "dark", 360)
	v.tabTo("Resume the link")
	v.press("", " ")
	s.link("running", func(l admin.Link) bool { return l.State == "running" })
	v.do("see no alarm", chromedp.WaitNotPresent(consoleAlarms+"/li"))

	v.tabTo("Pause…")
	v.press("", kb.Enter)
	v.press("counting", kb.Enter)
	v.sees(consoleOrders, "counting")
	v.tabTo("Resume")
	v.press("", kb.Enter)
	s.wantStage(t, v, "live")
	s.orders("live", func(t admin.Table) bool { return t.Stage == "live" && t.Reason == "" })
}

// TestConsoleShadow shows what would have been written to a side in shadow.
func TestConsoleShadow(t *testing.T) {
	needBrowser(t)
	s := newSchemaShop(t, [2]site{file(t), file(t)}, "pause")
	if err := s.p.stop(); err != nil {
		t.Fatal(err)
	}
	s.writeConfig(shadowLink)
	s.p = start(t, "run", s.config)
	s.settled()
	v := visit(t, "http://"+s.address+"/")
	v.sees(`//*[@id="sides"]/div[2]`, "in shadow")
	v.sees(consoleShadow, "Nothing would have been written yet")
	s.exec(0, "UPDATE orders SET qty = 100 WHERE id = 1")
	v.sees(consoleShadow, "orders id=1")
	v.do("open it", chromedp.Click(consoleShadow+"//summary"))
	v.sees(consoleShadow+"//details[@open]//tr[@class='differs']", "100")
	v.picture("shadow-light", "light", 1100)
	v.picture("shadow-dark-narrow", "dark", 360)
	if left := says[bool](v, `document.querySelector("#sides > div .badge").hidden`); !left {
		t.Error("the left side is shown in shadow, too")
	}
}

// TestConsoleAlarms shows a breaker that has tripped, and what another policy would have made of the
// conflicts.
func TestConsoleAlarms(t *testing.T) {
	needBrowser(t)
	s := newSchemaShop(t, [2]site{file(t), file(t)}, "pause")
	s.tripBreaker()
	v := visit(t, "http://"+s.address+"/")
	v.sees(consoleAlarms, "more than conflicts_per_minute = 10")
	v.sees(`//*[@id="links"]`, "breaker")
	v.sees(consoleOrders, "the breaker tripped")
	v.do("open the replay", chromedp.Click(consoleConflicts+`//details[contains(@class, "replay")]/summary`),
		chromedp.SetValue(`#conflicts .replay select`, "left", chromedp.ByQuery))
	v.click(consoleConflicts, "Replay")
	v.sees(consoleConflicts, "would have ended otherwise")
	v.sees(consoleConflicts+`//details[contains(@class, "replay")]//details[@open]`, "would be")
	v.picture("breaker-light", "light", 1100)
	v.picture("breaker-dark", "dark", 1100)
	v.click(consoleOrders, "Resume")
	v.click(consoleTables+`//tr[th="items"]`, "Resume")
	v.do("see no alarm", chromedp.WaitNotPresent(consoleAlarms+"/li"))
}
