/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Methods: the table of numbers against the service and the enum of evloop.proto. */

#undef NDEBUG

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "proto/event.pb-c.h"
#include "proto/evloop.pb-c.h"
#include "proto/frame.h"
#include "proto/limits.h"
#include "proto/method.h"

/* "CancelHandle" -> "METHOD_CANCEL_HANDLE" */
static void enum_name(const char *name, char *buffer, size_t size) {
	size_t n = (size_t)snprintf(buffer, size, "METHOD");

	for (; *name; name++) {
		if (isupper((unsigned char)*name))
			buffer[n++] = '_';
		assert_true(n + 2 < size);
		buffer[n++] = (char)toupper((unsigned char)*name);
	}
	buffer[n] = '\0';
}

static const struct method *find_name(const char *name) {
	const struct method *all, *found = NULL;
	size_t n;

	all = method_all(&n);
	for (size_t i = 0; i < n; i++)
		if (all[i].name && strcmp(all[i].name, name) == 0) {
			assert_null(found);
			found = &all[i];
		}
	return found;
}

/* Every rpc has a number, that of its name in enum Method, and the same messages. */
static void test_service(void **state _unused_) {
	const ProtobufCServiceDescriptor *service = &evloop__evloop__descriptor;

	assert_true(service->n_methods > 0);
	for (unsigned i = 0; i < service->n_methods; i++) {
		const struct method *method = find_name(service->methods[i].name);
		const ProtobufCEnumValue *value;
		char name[64];

		if (!method)
			fail_msg("%s has no number", service->methods[i].name);
		assert_ptr_equal(method->input, service->methods[i].input);
		assert_ptr_equal(method->output, service->methods[i].output);
		enum_name(method->name, name, sizeof(name));
		value = protobuf_c_enum_descriptor_get_value_by_name(&evloop__method__descriptor, name);
		if (!value)
			fail_msg("enum Method has no %s", name);
		assert_int_equal(value->value, method->number);
	}
}

/* And the reverse: every number is an rpc or an event, found under itself. */
static void test_enum(void **state _unused_) {
	const ProtobufCEnumDescriptor *type = &evloop__method__descriptor;

	for (unsigned i = 0; i < type->n_values; i++) {
		const struct method *method = method_find((uint16_t)type->values[i].value);
		char name[64];

		if (type->values[i].value == EVLOOP__METHOD__METHOD_NONE) {
			assert_null(method);
			continue;
		}
		if (!method)
			fail_msg("%s is not in the table", type->values[i].name);
		assert_int_equal(method->number, type->values[i].value);
		enum_name(method->name, name, sizeof(name));
		assert_string_equal(type->values[i].name, name);
		assert_non_null(method->output);
		if (method->input)
			assert_non_null(protobuf_c_service_descriptor_get_method_by_name(&evloop__evloop__descriptor,
											 method->name));
		else
			assert_true(method->number >= EVLOOP__METHOD__METHOD_EVENT);
	}
}

static void test_holes(void **state _unused_) {
	unsigned found = 0;

	for (unsigned number = 0; number <= UINT16_MAX; number++) {
		const struct method *method = method_find((uint16_t)number);

		if (!method)
			continue;
		assert_int_equal(method->number, number);
		found++;
	}
	/* All but NONE. */
	assert_int_equal(found, evloop__method__descriptor.n_values - 1);
}

/* An event of one type is the same bytes as Event: each of its fields has the number and the type that it has there. */
static void test_views(void **state _unused_) {
	const ProtobufCMessageDescriptor *view = &evloop__granted_event__descriptor;

	for (unsigned i = 0; i < view->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &view->fields[i];
		const ProtobufCFieldDescriptor *same =
			protobuf_c_message_descriptor_get_field(&evloop__event__descriptor, field->id);

		assert_non_null(same);
		assert_string_equal(same->name, field->name);
		assert_int_equal(same->type, field->type);
		assert_int_equal(same->label, field->label);
		assert_ptr_equal(same->descriptor, field->descriptor);
	}
}

static unsigned depth(const ProtobufCMessageDescriptor *type, unsigned above) {
	unsigned deepest = above + 1;

	assert_true(above < MESSAGE_DEPTH_MAX); /* or it contains itself */
	for (unsigned i = 0; i < type->n_fields; i++)
		if (type->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
			deepest = MAX(deepest, depth(type->fields[i].descriptor, above + 1));
	return deepest;
}

/* No message contains itself, and none is deeper than a receiver accepts. */
static void test_depth(void **state _unused_) {
	const struct method *all;
	unsigned deepest = 0;
	size_t n;

	all = method_all(&n);
	for (size_t i = 0; i < n; i++) {
		if (all[i].input)
			deepest = MAX(deepest, depth(all[i].input, 0));
		if (all[i].output)
			deepest = MAX(deepest, depth(all[i].output, 0));
	}
	assert_true(deepest <= MESSAGE_DEPTH_MAX);
}

/* Packed fields, maps and oneofs would need more of the walk in proto/message.c. */
static void test_plain_fields(void **state _unused_) {
	const struct method *all;
	size_t n;

	all = method_all(&n);
	for (size_t i = 0; i < n; i++) {
		const ProtobufCMessageDescriptor *types[] = { all[i].input, all[i].output };

		for (size_t j = 0; j < ARRAY_SIZE(types); j++)
			for (unsigned k = 0; types[j] && k < types[j]->n_fields; k++) {
				const ProtobufCFieldDescriptor *field = &types[j]->fields[k];

				assert_int_equal(
					field->flags & (PROTOBUF_C_FIELD_FLAG_PACKED | PROTOBUF_C_FIELD_FLAG_ONEOF), 0);
				assert_int_not_equal(field->label, PROTOBUF_C_LABEL_REQUIRED);
			}
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_service), cmocka_unit_test(test_enum),  cmocka_unit_test(test_holes),
		cmocka_unit_test(test_views),   cmocka_unit_test(test_depth), cmocka_unit_test(test_plain_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
