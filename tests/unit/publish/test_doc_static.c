/* The description describes itself correctly: it parses, its references lead somewhere, and it names every forecast
 * field that a forecast has. */
#include "publish/doc_static.h"

#include <setjmp.h>
#include <stdarg.h>

#include "example.h"
#include "publish/doc_forecast.h"

#include <cmocka.h>

#define TEXT_MAX 262144

static json_t *openapi(void)
{
    struct strbuf text;
    strbuf_init(&text, TEXT_MAX);
    doc_openapi_render(&text);
    json_t *root = parse(&text);
    strbuf_release(&text);
    assert_non_null(root);
    return root;
}

static void every_reference_leads_to_a_schema(void **state)
{
    (void)state;
    json_t *root = openapi(), *path, *schemas = member(root, "components.schemas");
    const char *name, *status;
    size_t references = 0;
    assert_string_equal(text_of(root, "openapi"), "3.1.0");
    json_object_foreach(member(root, "paths"), name, path)
    {
        json_t *response;
        json_object_foreach(member(path, "get.responses"), status, response)
        {
            const char *type;
            json_t *content;
            json_object_foreach(member(response, "content"), type, content)
            {
                const char *reference = json_string_value(json_object_get(member(content, "schema"), "$ref"));
                if (reference == NULL)
                    continue;
                references++;
                assert_non_null(json_object_get(schemas, strrchr(reference, '/') + 1));
            }
        }
    }
    assert_true(references > 8);
    json_decref(root);
}

static void every_field_of_a_forecast_is_described_and_no_other(void **state)
{
    (void)state;
    struct feed feed = example_feed("live", 1);
    struct forecast_view forecast = example_forecast("ensemble", "ensemble", 3600);
    struct batch_view batch = example_batch(&forecast, 1);
    struct forecast_page page = {.feed = &feed, .batch = &batch, .forecast = &forecast};
    struct strbuf text;
    strbuf_init(&text, TEXT_MAX);
    doc_forecast_render(&page, false, &text);
    json_t *body = parse(&text), *root = openapi(), *value;
    json_t *described = member(root, "components.schemas.Forecast.properties");
    const char *name;
    json_object_foreach(body, name, value)
    {
        if (json_object_get(described, name) == NULL)
            fail_msg("%s is not described", name);
    }
    assert_int_equal(json_object_size(body), json_object_size(described));
    json_decref(body);
    json_decref(root);
    strbuf_release(&text);
}

static void a_selection_is_an_array_in_one_parameter(void **state)
{
    (void)state;
    json_t *root = openapi();
    json_t *path = json_object_get(member(root, "paths"), "/v1/forecasts");
    json_t *parameter = json_array_get(member(path, "get.parameters"), 0);
    assert_string_equal(text_of(parameter, "in"), "query");
    assert_true(json_is_false(member(parameter, "explode")));
    assert_int_equal(json_array_size(member(parameter, "schema.items.enum")), 8);
    json_decref(root);
}

static void a_stream_is_events_that_are_never_unchanged(void **state)
{
    (void)state;
    json_t *root = openapi();
    json_t *path = json_object_get(member(root, "paths"), "/v1/stream");
    json_t *responses = member(path, "get.responses");
    assert_non_null(json_object_get(member(json_object_get(responses, "200"), "content"), "text/event-stream"));
    assert_null(json_object_get(responses, "304"));
    assert_int_equal(json_array_size(member(json_array_get(member(path, "get.parameters"), 0), "schema.items.enum")),
                     4);
    json_decref(root);
}

static void the_page_names_every_path(void **state)
{
    (void)state;
    struct strbuf text;
    strbuf_init(&text, TEXT_MAX);
    doc_docs_render(&text);
    json_t *root = openapi(), *path;
    const char *name;
    json_object_foreach(member(root, "paths"), name, path)
    {
        if (strstr(text.ptr, name) == NULL)
            fail_msg("the page lacks %s", name);
    }
    assert_null(strstr(text.ptr, "<script"));
    json_decref(root);
    strbuf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reference_leads_to_a_schema),
        cmocka_unit_test(every_field_of_a_forecast_is_described_and_no_other),
        cmocka_unit_test(a_selection_is_an_array_in_one_parameter),
        cmocka_unit_test(a_stream_is_events_that_are_never_unchanged),
        cmocka_unit_test(the_page_names_every_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
