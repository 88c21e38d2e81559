/* base/debug.h - checks for the programmer's own mistakes
 *
 * SL_DEBUG 0: release. 1: sl_assert. 2: also validity checks of whole objects
 * before and after each public call (sl_check), and poisoned free memory.
 */
#ifndef SL_BASE_DEBUG_H
#define SL_BASE_DEBUG_H

#ifndef SL_DEBUG
#define SL_DEBUG 0
#endif

void sl_assert_failed(const char *condition, const char *file, int line)
    __attribute__((noreturn));

#if SL_DEBUG >= 1
#define sl_assert(condition) \
    ((condition) ? (void)0 : sl_assert_failed(#condition, __FILE__, __LINE__))
#else
#define sl_assert(condition) ((void)(0 && (condition)))
#endif

#if SL_DEBUG >= 2
#define sl_check(condition) sl_assert(condition)
#else
#define sl_check(condition) ((void)(0 && (condition)))
#endif

#endif
