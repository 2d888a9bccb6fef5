package configs

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"

	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/cdcsync/cdcsync/change"
	"github.com/cdcsync/cdcsync/mapping"
	"github.com/cdcsync/cdcsync/resolver"
)

// shaped decodes what a column has that is not its other side's value.
func (d *decoder) shaped(b *hclsyntax.Block, l *Link, c *Column) {
	attrs := b.Body.Attributes
	c.Constant, c.Default = d.literal(attrs["constant"]), d.literal(attrs["default"])
	if c.Mask = d.choice(attrs["mask"], []string{"hash", "null"}, nil); c.Mask != "" {
		c.hide = d.masker(attrs["mask"], c.Mask)
	}
	if attr := attrs["sensitive"]; attr != nil {
		c.Sensitive, _ = d.truth(attr)
	}
	if (c.Mask != "" || !c.Constant.IsUnset()) && c.Merge != resolver.ByRule {
		d.errorf(c.attrs["merge"], "Nothing to merge", "A column with a constant or a mask is written and not read back, so there is nothing to merge.")
	}
}

// literal evaluates an attribute that is a text, a number, true, false or null; Unset if it is
// missing or wrong. It may be a parameter of the link.
func (d *decoder) literal(attr *hclsyntax.Attribute) change.Value {
	if attr == nil {
		return change.Value{}
	}
	e := d.newExpression(attr)
	d.compile(e)
	if !e.sound {
		return change.Value{}
	}
	v, err := e.Eval(nil)
	if err != nil {
		d.errorf(e.at, "Bad value", "%s is a text, a number, true, false or null, or made of parameters of the link.", attr.Name)
		return change.Value{}
	}
	return v
}

// masker returns the mask called name.
func (d *decoder) masker(attr *hclsyntax.Attribute, name string) mapping.Mask {
	if name == "null" {
		return func(change.Value) (change.Value, error) { return change.NullValue(), nil }
	}
	if d.salt.Reveal() == "" {
		d.errorf(attr.Expr.Range(), "Missing salt",
			"mask = \"hash\" needs a secret of the link, or anybody could hash guesses: write salt = env(\"MASK_SALT\") in the link.")
	}
	return hashWith(d.salt)
}

// hashWith returns the mask that is the HMAC-SHA-256 of what a value prints as, in hexadecimal.
// NULL stays NULL.
func hashWith(salt Secret) mapping.Mask {
	return func(v change.Value) (change.Value, error) {
		if v.IsNull() {
			return v, nil
		}
		mac := hmac.New(sha256.New, []byte(salt.Reveal()))
		mac.Write([]byte(v.String())) // never fails
		return change.TextValue(hex.EncodeToString(mac.Sum(nil))), nil
	}
}

// saltOf decodes the secret of the masks of a link.
func (d *decoder) saltOf(attr *hclsyntax.Attribute) Secret {
	if attr == nil {
		return Secret{}
	}
	salt := d.secret(attr.Expr, "salt")
	if _, plain := attr.Expr.(*hclsyntax.TemplateExpr); plain {
		d.warnf(attr.Expr.Range(), "Secret in the config", "Whoever reads this file can hash guesses. Write salt = env(\"MASK_SALT\") or file(\"path\").")
	}
	return salt
}
