"""Every endpoint with the right that it needs: the one place where a request's right is looked up."""

from functools import cache
from http import HTTPStatus

from aiohttp import web

from storaged import errors
from storaged.api import diffs, health, jobs, metrics, ops, ops_answers, products, reports, reviews, runs, uploads
from storaged.api.encode import JobObject, json_bytes
from storaged.api.endpoints import JSON, Body, Endpoint
from storaged.api.openapi import build_document
from storaged.api.params import Query, read_query
from storaged.auth.permissions import Right

PRODUCT = "/api/v1/products/{product}"
REVIEW = f"{PRODUCT}/reviews/{{report_hash}}"
JOB = "/api/v1/jobs/{token}"
OPS = "/api/v1/ops"

STORED = (errors.DatabaseUnavailable,)
IN_PRODUCT = (*STORED, errors.ProductNotFound)
IN_RUN = (*IN_PRODUCT, errors.RunNotFound)
OF_REVIEW = (*IN_PRODUCT, errors.ReviewNotFound)
OF_JOB = (*STORED, errors.JobNotFound)


async def get_openapi(request: web.Request) -> web.Response:
    """This document."""
    read_query(request, Query)
    return web.Response(body=openapi_json(), content_type=JSON)


ENDPOINTS = (
    Endpoint("GET", "/livez", health.livez, Right.ANYBODY, health.Liveness),
    Endpoint(
        "GET",
        "/readyz",
        health.readyz,
        Right.ANYBODY,
        health.Readiness,
        other_answers={HTTPStatus.SERVICE_UNAVAILABLE: health.Readiness},
    ),
    Endpoint("GET", "/metrics", metrics.get_metrics, Right.OPERATOR, str, media=metrics.TEXT),
    Endpoint("GET", "/api/v1/openapi.json", get_openapi, Right.ANYBODY, dict),
    Endpoint("GET", "/api/v1/products", products.list_products, Right.ANYBODY, products.ProductList, errors=STORED),
    Endpoint(
        "POST",
        "/api/v1/products",
        products.add_product,
        Right.SUPERUSER,
        products.ProductObject,
        body=Body(products.NEW),
        status=HTTPStatus.CREATED,
        errors=(*STORED, errors.ProductExists, errors.UploadIncomplete),
        gives=("Location",),
    ),
    Endpoint("GET", PRODUCT, products.get_product, Right.PRODUCT_VIEW, products.ProductObject, errors=IN_PRODUCT),
    Endpoint(
        "PATCH",
        PRODUCT,
        products.edit_product,
        Right.PRODUCT_ADMIN,
        products.ProductObject,
        body=Body(products.EDIT),
        errors=(*IN_PRODUCT, errors.UploadIncomplete),
    ),
    Endpoint(
        "DELETE",
        PRODUCT,
        products.remove_product,
        Right.SUPERUSER,
        status=HTTPStatus.NO_CONTENT,
        errors=(*IN_PRODUCT, errors.ProductInUse),
    ),
    Endpoint(
        "POST",
        f"{PRODUCT}/contents/missing",
        uploads.missing_contents,
        Right.PRODUCT_STORE,
        uploads.MissingContents,
        body=Body(uploads.HASHES, required=False),
        errors=(*IN_PRODUCT, errors.UploadIncomplete),
    ),
    Endpoint(
        "POST",
        f"{PRODUCT}/stores",
        uploads.create_store,
        Right.PRODUCT_STORE,
        JobObject,
        query=uploads.StoreQuery,
        body=Body(media="application/zip"),
        status=HTTPStatus.ACCEPTED,
        errors=(
            *IN_PRODUCT,
            errors.UploadTooLarge,
            errors.UploadIncomplete,
            errors.SpoolFull,
            errors.IdempotencyConflict,
        ),
        takes=("Idempotency-Key",),
        gives=("Location",),
    ),
    Endpoint(
        "GET",
        f"{PRODUCT}/stores/limits",
        uploads.store_limits,
        Right.PRODUCT_STORE,
        uploads.StoreLimits,
        query=uploads.StoreQuery,
        errors=IN_PRODUCT,
    ),
    Endpoint(
        "GET",
        f"{PRODUCT}/runs",
        runs.list_runs,
        Right.PRODUCT_VIEW,
        runs.RunList,
        query=runs.RunQuery,
        errors=IN_PRODUCT,
    ),
    Endpoint("GET", f"{PRODUCT}/runs/{{run}}", runs.get_run, Right.PRODUCT_VIEW, runs.WholeRun, errors=IN_RUN),
    Endpoint(
        "DELETE",
        f"{PRODUCT}/runs/{{run}}",
        runs.delete_run,
        Right.PRODUCT_STORE,
        JobObject,
        status=HTTPStatus.ACCEPTED,
        errors=IN_RUN,
        gives=("Location",),
    ),
    Endpoint(
        "GET",
        f"{PRODUCT}/runs/{{run}}/history",
        runs.list_history,
        Right.PRODUCT_VIEW,
        runs.StoreList,
        query=runs.HistoryPage,
        errors=IN_RUN,
    ),
    Endpoint(
        "GET",
        f"{PRODUCT}/diff",
        diffs.get_diff,
        Right.PRODUCT_VIEW,
        reports.ReportList,
        query=diffs.DiffQuery,
        errors=(*IN_RUN, errors.TagNotFound),
    ),
    Endpoint(
        "POST",
        f"{PRODUCT}/diff",
        diffs.post_diff,
        Right.PRODUCT_VIEW,
        diffs.ComparedList,
        query=diffs.ArchiveDiffQuery,
        body=Body(media="application/zip"),
        errors=(
            *IN_RUN,
            errors.TagNotFound,
            errors.UploadTooLarge,
            errors.UploadIncomplete,
            errors.SpoolFull,
            errors.BadArchive,
            errors.BadResultFiles,
            errors.ContradictingReviews,
            errors.ReportLimitReached,
            errors.WorkerDied,
            errors.TooManyComparisons,
        ),
    ),
    Endpoint(
        "GET",
        f"{PRODUCT}/reports",
        reports.list_reports,
        Right.PRODUCT_VIEW,
        reports.ReportList,
        query=reports.ReportQuery,
        errors=(*IN_RUN, errors.TagNotFound),
    ),
    Endpoint(
        "GET",
        f"{PRODUCT}/summary",
        reports.summarize_reports,
        Right.PRODUCT_VIEW,
        reports.Summary,
        query=reports.SummaryQuery,
        errors=(*IN_RUN, errors.TagNotFound),
    ),
    Endpoint(
        "GET",
        f"{PRODUCT}/reports/{{report}}",
        reports.get_report,
        Right.PRODUCT_VIEW,
        reports.WholeReport,
        query=reports.ReportOptions,
        errors=(*IN_PRODUCT, errors.ReportNotFound),
    ),
    Endpoint(
        "GET",
        f"{PRODUCT}/reviews",
        reviews.list_reviews,
        Right.PRODUCT_VIEW,
        reviews.ReviewList,
        query=reviews.ReviewQuery,
        errors=IN_PRODUCT,
    ),
    Endpoint("GET", REVIEW, reviews.get_review, Right.PRODUCT_VIEW, reviews.ReviewRule, errors=OF_REVIEW),
    Endpoint(
        "PUT",
        REVIEW,
        reviews.set_review,
        Right.PRODUCT_STORE,
        reviews.ReviewRule,
        body=Body(reviews.NEW),
        errors=(*IN_PRODUCT, errors.UploadIncomplete),
    ),
    Endpoint(
        "DELETE",
        REVIEW,
        reviews.remove_review,
        Right.PRODUCT_STORE,
        status=HTTPStatus.NO_CONTENT,
        errors=OF_REVIEW,
    ),
    Endpoint(
        "GET",
        "/api/v1/jobs",
        jobs.list_jobs,
        Right.PRODUCT_VIEW,
        jobs.JobList,
        query=jobs.JobQuery,
        errors=IN_PRODUCT,
    ),
    Endpoint("GET", JOB, jobs.get_job, Right.JOB_OWNER, JobObject, query=jobs.WaitQuery, errors=OF_JOB),
    Endpoint(
        "GET",
        f"{JOB}/events",
        jobs.stream_job,
        Right.JOB_OWNER,
        jobs.JobEvent,
        query=jobs.SinceQuery,
        media=jobs.EVENT_STREAM,
        other_answers={HTTPStatus.NO_CONTENT: None},
        errors=OF_JOB,
        takes=("Last-Event-ID",),
    ),
    Endpoint(
        "POST",
        f"{JOB}/cancel",
        jobs.cancel_job,
        Right.JOB_OWNER,
        JobObject,
        body=Body(jobs.CANCEL, required=False),
        errors=(*OF_JOB, errors.AlreadyEnded, errors.UploadIncomplete),
    ),
    Endpoint(
        "POST",
        f"{JOB}/retry",
        jobs.retry_job,
        Right.JOB_OWNER,
        JobObject,
        errors=(*OF_JOB, errors.NotRetryable),
    ),
    Endpoint("GET", OPS, ops.get_ops, Right.OPERATOR, ops_answers.Overview, errors=STORED),
    Endpoint("GET", f"{OPS}/node", ops.get_node, Right.OPERATOR, ops_answers.NodeObject),
    *(
        Endpoint("GET", f"{OPS}/{name}", ops.handler_of(name), Right.OPERATOR, answer, errors=STORED)
        for name, answer in ops_answers.ANSWERS.items()
    ),
)


@cache
def openapi_json() -> bytes:
    """The OpenAPI document of all endpoints, made when it is first asked for."""
    return json_bytes(build_document(ENDPOINTS))


def add_routes(app: web.Application) -> None:
    """Register every endpoint."""
    for endpoint in ENDPOINTS:
        app.router.add_route(endpoint.method, endpoint.path, endpoint.handler)
        if endpoint.method == "GET":
            app.router.add_route("HEAD", endpoint.path, endpoint.handler)
