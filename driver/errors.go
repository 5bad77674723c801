package driver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/ratecheck/ratecheck/history"
)

// textLength is how much of an error or of an answer that is no success is
// kept, in bytes: enough for the message of an error, too little for a web
// page.
const textLength = 400

// fail records why there is no whole answer.
func (e *exchange) fail(class history.ErrorClass, err error) {
	e.attempt.Error = class
	e.attempt.ErrorText = shorten(e.clean(withoutAddresses(err)))
}

// clean makes a target's text fit for a history: valid UTF-8, and without the
// key, which a target may echo.
func (e *exchange) clean(text string) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	if e.bearer == "" {
		return text
	}
	return strings.ReplaceAll(text, e.bearer, "[key]")
}

// shorten cuts a text between two code points.
func shorten(text string) string {
	if len(text) <= textLength {
		return text
	}
	end := textLength
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

// withoutAddresses is the text of an error without hosts and ports, which a
// history does not hold. The net package puts them into the errors that name
// them.
func withoutAddresses(err error) string {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return "lookup: " + dns.Err
	}
	var host x509.HostnameError
	if errors.As(err, &host) {
		return "tls: the certificate is for another host"
	}
	var op *net.OpError
	if !errors.As(err, &op) {
		return err.Error()
	}
	if op.Err == nil {
		return op.Op
	}
	return op.Op + ": " + withoutAddresses(op.Err)
}

// streamError is what the net/http package lets its HTTP/2 stream errors, of a
// type that it does not export, be read as (net/http/h2_error.go).
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (streamError) Error() string { return "a stream error of HTTP/2" }

// closedIdle is the text of an error that net/http does not export: the server
// closed the connection while the request was on its way (golang/go#19943).
const closedIdle = "http: server closed idle connection"

// classify names what kept a response from coming.
func classify(ctx context.Context, err error) history.ErrorClass {
	var dns *net.DNSError
	var op *net.OpError
	var cert *tls.CertificateVerificationError
	var timeout net.Error
	var stream streamError
	switch {
	case ctx.Err() != nil:
		return history.Deadline
	case errors.As(err, &dns), errors.As(err, &cert),
		errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH),
		errors.As(err, &op) && op.Op == "dial",
		// Only dialling and the TLS handshake have a time limit of their own.
		errors.As(err, &timeout) && timeout.Timeout():
		return history.Unreachable
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE),
		errors.Is(err, net.ErrClosed), errors.As(err, &stream), strings.Contains(err.Error(), closedIdle):
		return history.Reset
	default:
		// What answers and is not understood: a malformed response, TLS spoken
		// to a plain port, a protocol error of HTTP/2.
		return history.Garbled
	}
}
