package demo

import (
	"errors"
	"net/http"
	"strings"
)

// apiError is https://docs.stripe.com/api/errors.
type apiError struct {
	status                     int
	kind, code, param, message string
	decline, charge, intent    string
}

// Error is what story methods return when Stripe would answer with this error.
func (e *apiError) Error() string { return e.kind + ": " + e.message }

func (e *apiError) render() object {
	o := object{"type": e.kind, "message": e.message}
	for name, value := range map[string]string{
		"code": e.code, "param": e.param, "decline_code": e.decline, "charge": e.charge,
	} {
		if value != "" {
			o[name] = value
		}
	}
	if e.code != "" {
		o["doc_url"] = docURL(e.code)
	}
	return object{"error": o}
}

func docURL(code string) string {
	return "https://stripe.com/docs/error-codes/" + strings.ReplaceAll(code, "_", "-")
}

func failure(err error) reply {
	var e *apiError
	if !errors.As(err, &e) {
		e = broken
	}
	return jsonReply(e.status, e.render())
}

// beforeWork is true for errors found while reading the parameters.
func beforeWork(err error) bool {
	var e *apiError
	return errors.As(err, &e) && (strings.HasPrefix(e.code, "parameter_") || e.code == "resource_missing")
}

// missing says that there is no such object. Param is "id" when the path names it, which is
// answered 404; a parameter that names it is answered 400, except for refunds.
func missing(kind, id, param string) *apiError {
	status := http.StatusBadRequest
	if param == "id" || param == "charge" || param == "payment_intent" {
		status = http.StatusNotFound
	}
	return &apiError{status: status, kind: "invalid_request_error", code: "resource_missing", param: param,
		message: "No such " + kind + ": '" + id + "'"}
}

func invalid(code, param, message string) *apiError {
	return &apiError{status: http.StatusBadRequest, kind: "invalid_request_error", code: code, param: param, message: message}
}

func missingParam(name string) *apiError {
	return invalid("parameter_missing", name, "Missing required param: "+name+".")
}

func unknownParam(name string) *apiError {
	return invalid("parameter_unknown", name, "Received unknown parameter: "+name)
}

func keyReused(key string) *apiError {
	return &apiError{status: http.StatusBadRequest, kind: "idempotency_error",
		message: "Keys for idempotent requests can only be used with the same parameters they were first used with. " +
			"Try using a key other than '" + key + "' if you meant to execute a different request."}
}

// The errors that say nothing about the request.
var (
	tooMany = &apiError{status: http.StatusTooManyRequests, kind: "invalid_request_error", code: "rate_limit",
		message: "Request rate limit exceeded. Learn more about rate limits here https://stripe.com/docs/rate-limits."}
	broken = &apiError{status: http.StatusInternalServerError, kind: "api_error",
		message: "Sorry! There was an error while talking to one of our backends. Support has been notified."}
)

// forbidden is what a restricted key gets where it lacks a permission.
var forbidden = &apiError{status: http.StatusForbidden, kind: "invalid_request_error",
	message: "The provided key 'rk_test_***' does not have the required permissions for this endpoint."}
