package main

import (
	"strings"
	"testing"

	"github.com/cdcsync/cdcsync/admin"
	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/configs"
)

func TestSideThatRepairsGoBy(t *testing.T) {
	for _, c := range []struct {
		direction configs.Direction
		request   admin.VerifyRequest
		side      change.Side
		refused   string
	}{
		{configs.Both, admin.VerifyRequest{}, change.Left, ""},
		{configs.Both, admin.VerifyRequest{Repair: true, By: "right"}, change.Right, ""},
		{configs.Both, admin.VerifyRequest{Repair: true}, 0, "runs both ways, so repair needs by"},
		{configs.Both, admin.VerifyRequest{Repair: true, By: "middle"}, 0, `not "middle"`},
		{configs.Both, admin.VerifyRequest{By: "left"}, 0, "repair was not asked for"},
		{configs.LeftToRight, admin.VerifyRequest{Repair: true}, change.Left, ""},
		{configs.RightToLeft, admin.VerifyRequest{Repair: true}, change.Right, ""},
		{configs.RightToLeft, admin.VerifyRequest{Repair: true, By: "left"}, 0, "by the right side only"},
		{configs.LeftToRight, admin.VerifyRequest{Repair: true, By: "right"}, 0, "by the left side only"},
	} {
		v := &verification{link: &configs.Link{Name: "l", Direction: c.direction}, request: c.request}
		side, err := v.by()
		if (err != nil) != (c.refused != "") || err != nil && !strings.Contains(err.Error(), c.refused) || side != c.side {
			t.Errorf("%s %+v: by the %s side, %v", c.direction, c.request, side, err)
		}
	}
}
